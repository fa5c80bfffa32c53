"""METEOR, SPIDEr and FENSE by aac-metrics, which needs Java, downloads and another interpreter than ours.

aac-metrics pins transformers and numpy of the past (through msclap), so it lives in an environment of its own: `captioner.scorer_python`
names its interpreter (docs/captioning.md says how to make one). `aac_scores.py` is run there with JSON in and out. What cannot be had is
absent with the reason, never a number of something else.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

SCRIPT = Path(__file__).with_name("aac_scores.py")
"""What runs there; it imports nothing of ours."""

NEEDS = {
    "meteor": "METEOR needs Java 8 to 13 and aac-metrics",
    "spider": "SPIDEr needs Java 8 to 13 and aac-metrics",
    "fense": "FENSE needs aac-metrics and the two models that it downloads",
}
"""Metric → what it takes."""

TIMEOUT_S = 7200
"""SPICE parses some thousand captions in minutes."""


def scores_elsewhere(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], python: str, java: str
) -> tuple[dict[str, float], dict[str, str]]:
    """The scores that aac-metrics gives, and why others have none.

    Args:
        hypotheses: captions, one per clip.
        references: of the same clips.
        python: interpreter of its environment; empty: there is none.
        java: command or path.
    """
    if not python:
        return {}, {name: f"{need}, in an interpreter of its own: set captioner.scorer_python" for name, need in NEEDS.items()}
    try:
        answer = _ask(python, {"hypotheses": list(hypotheses), "references": list(map(list, references)), "java": java})
    except (OSError, ValueError, subprocess.SubprocessError) as fault:
        return {}, {name: f"{need}; {python} did not give it ({_words(fault)})" for name, need in NEEDS.items()}
    scores = {name: float(answer["scores"][name]) for name in NEEDS if _is_number(answer["scores"].get(name))}
    faults = answer.get("faults", {})
    lacking = {name: f"{need}; in {python}: {faults.get(name, 'no answer')}" for name, need in NEEDS.items() if name not in scores}
    return scores, lacking


def _ask(python: str, question: dict) -> dict:
    """Run the script there.

    Raises:
        OSError: no such interpreter.
        SubprocessError: it failed or took too long.
        ValueError: what it wrote is no answer.
    """
    own = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")  # it is to find its own packages, not ours
    environment = {name: value for name, value in os.environ.items() if name not in own}
    with tempfile.TemporaryDirectory(prefix="elsa-captions-") as folder:
        asked, answered = Path(folder) / "question.json", Path(folder) / "answer.json"
        asked.write_text(json.dumps(question), encoding="utf-8")
        command = [os.path.expanduser(python), str(SCRIPT), str(asked), str(answered)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment)
        if not answered.exists():
            raise ValueError("it wrote no answer")
        answer = json.loads(answered.read_text(encoding="utf-8"))
    if not isinstance(answer, dict) or not isinstance(answer.get("scores"), dict):
        raise ValueError("its answer holds no scores")
    return answer


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _words(fault: Exception) -> str:
    """A fault in a few words: of a process that failed its last line."""
    if isinstance(fault, subprocess.TimeoutExpired):
        return f"it took longer than {fault.timeout:g} s"
    text = fault.stderr if isinstance(fault, subprocess.CalledProcessError) and fault.stderr else str(fault)
    return (text.strip().splitlines() or [type(fault).__name__])[-1][:200]
