"""The package's code as it is at a submission, for jobs that start days later. Imports no torch."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from elsa_lightning import provenance
from elsa_lightning.atomic import disk_faults, partial_folder, write_text
from elsa_lightning.errors import RunError

PACKAGE = Path(__file__).resolve().parents[1]


def require_clean() -> None:
    """Refuse code that no commit holds: nobody could tell later what had run.

    Raises:
        RunError: files of the package differ from the checkout's commit, or are in none, or git cannot say.
    """
    if not any((folder / ".git").exists() for folder in (PACKAGE, *PACKAGE.parents)):
        return  # no checkout: an installed package
    command = ["git", "-C", str(PACKAGE), "status", "--porcelain", "--", str(PACKAGE)]
    try:
        changed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError) as fault:
        said = fault.stderr.strip() if isinstance(fault, subprocess.CalledProcessError) else str(fault)
        raise RunError(
            f"git cannot say whether the package has changes that are in no commit: {said}",
            "mend that, or submit it as it is: --uncommitted",
        ) from fault
    if changed:
        files = ", ".join(line[3:] for line in changed[:5]) + (", …" if len(changed) > 5 else "")
        raise RunError(f"the package has changes that are in no commit: {files}", "commit them, or submit them as they are: --uncommitted")


def name() -> str:
    """`<commit>-<content>` of the package as it is now."""
    digest = hashlib.sha256()
    for path in sorted(path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{path.relative_to(PACKAGE)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return f"{provenance.commit().rstrip('+') or 'code'}-{digest.hexdigest()[:12]}"


def take(target: Path) -> None:
    """Copy the package into `target`, a folder for PYTHONPATH, unless it is there. For whoever holds the lock of submissions.

    Raises:
        RunError: no disk space, or a folder that cannot be written to.
    """
    if target.exists():
        return
    with disk_faults(target.parent):
        partial = partial_folder(target)
        shutil.copytree(PACKAGE, partial / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
        write_text(partial / PACKAGE.name / provenance.COMMIT_FILE, provenance.commit() + "\n")
        os.chmod(partial, 0o755)
        os.replace(partial, target)
