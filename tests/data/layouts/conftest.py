"""Every miniature, prepared once."""

import pytest

from elsa_lightning.data.prepare import prepare

from .miniatures import MINIATURES


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Name of a miniature → its root, manifest and report."""
    made = {}

    def get(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("corpus")
            layout, build = MINIATURES[name]
            build(folder / "root")
            manifest = folder / "manifest.jsonl"
            found = prepare(layout, folder / "root", manifest, extract=folder / "extracted", mix_down=folder / "mono", workers=0)
            made[name] = (folder / "root", manifest, found)
        return made[name]

    return get
