"""What MkDocs cannot do by itself: pages that lie outside docs/, links from and to them, and plain mentions of pages as links.

The repository is read as files by some and as a site by others. Links are written for the files (`../ablations/README.md`,
docs/tables.md) and turned here into those of the site; a link to a file that is no page (source, a result's JSON) becomes its name.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "ablations/README.md": "ablations.md",
    "experiments/README.md": "experiments.md",
    "benchmarks/README.md": "benchmarks.md",
    "results/README.md": "results/index.md",
}
"""File of the repository → page of the site. Reports in results/ keep their names."""

LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\(([^()\s:]+?)(#[^()\s]*)?\)")
MENTION = re.compile(r"(?<![\w/.-])(?:docs/)?([a-z_]+\.md)\b")
CODE = re.compile(r"(^```.*?^```|`[^`\n]*`|\[[^\[\]]*\]\([^()]*\))", re.DOTALL | re.MULTILINE)


def pages() -> dict[str, str]:
    """File of the repository → page, of everything outside docs/ that the site shows."""
    reports = {f"results/{path.name}": f"results/{path.name}" for path in (ROOT / "results").glob("*.md") if path.name != "README.md"}
    return {file: page for file, page in (OUTSIDE | reports).items() if (ROOT / file).is_file()}


def on_config(config: Any) -> Any:
    """Leave out of the navigation what is not there."""
    there = {path.relative_to(config.docs_dir).as_posix() for path in Path(config.docs_dir).rglob("*.md")} | set(pages().values())
    config.nav = _only(config.nav, there)
    return config


def _only(items: list[Any], there: set[str]) -> list[Any]:
    kept = []
    for item in items:
        (title, value) = next(iter(item.items())) if isinstance(item, dict) else (None, item)
        value = _only(value, there) if isinstance(value, list) else value if value in there else None
        if value:
            kept.append(value if title is None else {title: value})
    return kept


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside, and figures beside reports."""
    for source, page in pages().items():
        file = File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8"))
        if source.startswith("results/") and source not in OUTSIDE:
            file.inclusion = InclusionLevel.NOT_IN_NAV  # reports are reached from the page of results
        files.append(file)
    for picture in (ROOT / "results").glob("*.svg"):
        files.append(File.generated(config, f"results/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links of the repository as links of the site."""
    page_of = pages()
    here = {site: source for source, site in page_of.items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    links = LINK.sub(lambda match: _link(match, here, page.file.src_uri, page_of), markdown)
    parts = CODE.split(links)  # code and links at odd places
    return "".join(
        part if i % 2 else MENTION.sub(lambda match: _mention(match, page.file.src_uri, files), part) for i, part in enumerate(parts)
    )


def _link(match: re.Match[str], here: str, page: str, page_of: dict[str, str]) -> str:
    text, target, anchor = match[1], match[2], match[3] or ""
    file = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
    site = page_of.get(file) or (file.removeprefix("docs/") if file.startswith("docs/") and (ROOT / file).is_file() else None)
    if site:
        return f"[{text}]({os.path.relpath(site, posixpath.dirname(page) or '.')}{anchor})"
    return (
        text if (ROOT / file).exists() else match[0]
    )  # a file that is no page keeps its name; what is not there is MkDocs' to complain of


def _mention(match: re.Match[str], page: str, files: Files) -> str:
    name = match[1]
    if files.get_file_from_path(name) is None or name == page:
        return match[0]
    return f"[{match[0]}]({os.path.relpath(name, posixpath.dirname(page) or '.')})"
