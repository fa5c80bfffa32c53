"""The pages of the documentation and their fenced blocks, for the tests that run them."""

from __future__ import annotations

import pathlib
import re
import shlex
from dataclasses import dataclass
from itertools import pairwise

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "ablations/*.md", "experiments/*.md", "benchmarks/*.md", "notebooks/*.md")
    for path in ROOT.glob(pattern)
)
LANGUAGES = ("python", "sh", "yaml", "json", "text")
"""`text` is no code: trees, schemas, synopses. Every other block runs."""

ITEM = re.compile(r"\s*([-*+]|\d+[.)])\s")
FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        page: its file, from the repository's root.
        line: of its first line of code.
        language: as the fence says.
        code: what is in it.
    """

    page: str
    line: int
    language: str
    code: str


def blocks(page: str, language: str = "") -> list[Block]:
    """A page's blocks in their order, those of one language if it is named."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [Block(page, text[: match.start()].count("\n") + 2, match[2], match[3]) for match in FENCE.finditer(text)]
    return [block for block in found if language in ("", block.language)]


def indented(page: str) -> list[int]:
    """Lines at which code begins that is indented instead of fenced, and so says no language."""
    text = FENCE.sub(lambda match: "\n" * match[0].count("\n"), (ROOT / page).read_text(encoding="utf-8"))
    lines = ["", *text.splitlines()]
    found, in_list = [], False
    for number, (before, line) in enumerate(pairwise(lines), 1):
        in_list = bool(ITEM.match(line)) or (in_list and (not line or line.startswith(" ")))
        if not before.strip() and line.startswith("    ") and line.strip() and not in_list:
            found.append(number)
    return found


def commands(block: Block) -> list[list[str]]:
    """The command lines of a shell block as words, without comments, variables before them and the environment's folder."""
    lines = block.code.replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        for part in re.split(r"\s&&\s", line):
            words = shlex.split(part, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                found.append([words[0].removeprefix(".venv/bin/"), *words[1:]])
    return found
