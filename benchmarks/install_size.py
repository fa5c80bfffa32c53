"""What `pip install elsa-lightning` brings without extras, and how large it is: `python benchmarks/install_size.py`; prints JSON.

Follows what setup.cfg requires, with no extra and the markers of this machine, and sums the files that each distribution's record names.
Sizes depend on the build: torch's CPU wheels are a tenth of its CUDA ones.
"""

from __future__ import annotations

import configparser
import json
from importlib import metadata
from pathlib import Path

from elsa_lightning.provenance import commit, versions

ROOT = Path(__file__).resolve().parents[1]


def required() -> list[str]:
    """What setup.cfg requires without extras."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    return settings["options"]["install_requires"].split()


def needed(requirements: list[str]) -> set[str]:
    """Distributions that these bring, themselves among them. Extras that a requirement names (`jsonschema[format]`) are followed."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[tuple[str, frozenset[str]]] = set()
    ahead = [(text, frozenset({""})) for text in requirements]
    while ahead:
        text, extras = ahead.pop()
        one = Requirement(text)
        if one.marker and not any(one.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        place = (canonicalize_name(one.name), frozenset({"", *one.extras}))
        if place not in found:
            found.add(place)
            ahead += [(below, place[1]) for below in metadata.requires(place[0]) or []]
    return {name for name, _ in found}


def size_mb(package: str) -> float:
    """Of the files that the distribution's record names, MB."""
    files = metadata.files(package) or []
    paths = (Path(str(file.locate())) for file in files)
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def main() -> None:
    """Measure and print, the largest first."""
    sizes = {name: round(size_mb(name), 1) for name in needed(required())}
    listed = dict(sorted(sizes.items(), key=lambda item: -item[1]))
    versions_of = {name: metadata.version(name) for name in listed}
    print(
        json.dumps(
            {
                "total_mb": round(sum(sizes.values()), 1),
                "packages": len(sizes),
                "mb": listed,
                "installed": versions_of,
                "commit": commit(),
                "versions": versions(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
