"""What a language model is asked: the lines of a rewriting task, the prompt of each, and the key that its answers are kept under."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elsa_lightning.captions.attributes import RULES
from elsa_lightning.captions.templates import prompt_phrase
from elsa_lightning.captions.verify import asked_words
from elsa_lightning.errors import DataError

FACTS = {
    "distance": "Distance",
    "direction": "Direction, as the listener faces it",
    "elevation": "Height",
    "area": "Room",
    "reverberation": "Acoustics",
}
"""Attribute → how the prompt calls it."""

INSTRUCTION = (
    "Write one short English sentence that tells what is heard and where.\n\n{facts}\n\n"
    "Say every one of these facts, each in your own words if you like, and keep who or what makes the sound. "
    "Tell of no other sound, place, distance, direction or room. Answer with the sentence alone, without quotation marks."
)
"""The paper's request in our words (its own are not confirmed): the sound, its place, the room; one short sentence, every detail."""


@dataclass(frozen=True)
class Request:
    """One line of a task.

    Args:
        id: unique within the task.
        caption: of the sound.
        words: (attribute, word) of the scene, in the order of `attributes.RULES`.
        template: the sentence that stands in where no rewrite passes.
        more: the line's other fields, kept as they are.
    """

    id: str
    caption: str
    words: tuple[tuple[str, str], ...]
    template: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """What the model reads."""
        facts = [f"Sound: {self.caption.strip().rstrip('.')}"]
        facts += [f"{FACTS[attribute]}: {prompt_phrase(attribute, word)}" for attribute, word in self.words]
        return INSTRUCTION.format(facts="\n".join(facts))

    def key(self, model: str, seed: int) -> str:
        """Hash of all that decides the answers: the prompt (it holds caption and words), the model with its settings, and the seed.

        Args:
            model: `TextGenerator.identity`.
            seed: of the whole task.
        """
        return hashlib.blake2b(json.dumps([self.prompt, model, seed]).encode(), digest_size=16).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The line."""
        return {"id": self.id, "caption": self.caption, "words": dict(self.words), "template": self.template, **self.more}


def read_requests(path: Path) -> list[Request]:
    """Read and check a task: JSONL with id, caption, words (attribute → word) and template in each line.

    Raises:
        DataError: the file is missing, empty or not UTF-8; a line is not JSON or lacks a field, names a word that does not exist, or
            has an id used before.
    """
    requests: list[Request] = []
    seen: dict[str, int] = {}
    for number, line in read_lines(path, ("id", "caption", "words", "template")):
        where = f"{path}, line {number}"
        if line["id"] in seen:
            raise DataError(f"{where}: id '{line['id']}' was used in line {seen[line['id']]}", "give each line its own id")
        seen[line["id"]] = number
        more = {name: value for name, value in line.items() if name not in ("id", "caption", "words", "template")}
        requests.append(Request(line["id"], line["caption"], line["words"], line["template"], more))
    return requests


def read_lines(path: Path, fields: tuple[str, ...]) -> list[tuple[int, dict[str, Any]]]:
    """(number, line) of each line of a JSONL file that has these fields, the texts not empty, `words` checked and put in order.

    Raises:
        DataError: as in `read_requests`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", f"name a JSONL file with {', '.join(fields)} in each line") from error
    lines = [(n, _parse(line, fields, f"{path}, line {n}")) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} has no lines", f"write one JSON object a line with {', '.join(fields)}")
    return lines


def _parse(text: str, fields: tuple[str, ...], where: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where} is not JSON ({error})", "write one JSON object a line") from error
    if not isinstance(line, dict):
        raise DataError(f"{where} is not a JSON object", f"write an object with {', '.join(fields)}")
    for name in fields:
        value = line.get(name)
        if not isinstance(value, dict if name == "words" else str) or (name != "words" and not value.strip()):
            kind = 'an object such as {"direction": "left"}' if name == "words" else "a text that is not empty"
            raise DataError(f"{where}: {name} is {json.dumps(value)}", f"it must be {kind}")
    try:
        words = asked_words(line["words"])
    except DataError as fault:
        raise DataError(f"{where}: {fault.message}", fault.remedy) from None
    return line | {"words": tuple((name, words[name]) for name in RULES if name in words)}
