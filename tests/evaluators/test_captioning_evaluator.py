"""Captions against words and labels by hand; METEOR, SPIDEr and FENSE through interpreters that stand in for aac-metrics' own."""

import json
import sys

import pytest

from elsa_lightning.captions.attributes import RULES
from elsa_lightning.errors import RunError
from elsa_lightning.evaluators import elsewhere
from elsa_lightning.evaluators.captioning import CaptionedClip, evaluate, read_captions
from elsa_lightning.evaluators.elsewhere import NEEDS, SCRIPT, scores_elsewhere
from elsa_lightning.metrics.captioning import bleu, cider_d, tokenize
from elsa_lightning.schema import CaptionerConfig


def clip(hypothesis, words, number=0, unknown=(), references=("A dog barks on the left, far away.", "Far off to the left, a dog barks.")):
    return CaptionedClip(f"clip {number}", 0, words, list(unknown), ["a dog barks"], list(references), hypothesis)


LEFT_FAR = {"direction": "left", "distance": "far"}
CLIPS = [
    clip("A dog barks on the left, far away.", LEFT_FAR),
    clip("A dog barks on the right, far away.", LEFT_FAR, 1),
    clip("A cat.", {"area": "large"}, 2, references=("A cat in a large room.",)),
]


def test_words_and_places_by_hand():
    found, absent = evaluate(CLIPS, CaptionerConfig())
    words = [tokenize(one.hypothesis) for one in CLIPS], [[tokenize(text) for text in one.references] for one in CLIPS]
    assert [found[f"bleu{n}"] for n in (1, 2, 3, 4)] == bleu(*words) and found["cider_d"] == cider_d(*words)[0]
    assert found["unique_words"] == len({"a", "dog", "barks", "on", "the", "left", "far", "away", "right", "cat"})
    assert found["length"] == pytest.approx((8 + 8 + 2) / 3)
    assert found["spatial_words_right"] == pytest.approx(1 / 3) and found["spatial_words/n"] == 3
    assert found["spatial_words/stated_right"] == 3 / 4 and found["spatial_words/told"] == 3 / 5
    assert found["spatial_words/direction/wrong"] == found["spatial_words/direction/right"] == 0.5
    assert found["spatial_words/distance/right"] == 1 and found["spatial_words/area/missing"] == 1
    assert absent.keys() - NEEDS.keys() == {
        f"spatial_words/{name}/{kind}" for name in ("elevation", "reverberation") for kind in ("right", "wrong", "missing")
    }
    assert not found.keys() & absent.keys()


def test_the_references_themselves_are_right_in_all_words():
    found, _ = evaluate([clip(CLIPS[0].references[0], LEFT_FAR), clip(CLIPS[0].references[1], LEFT_FAR)], CaptionerConfig())
    assert found["spatial_words_right"] == found["spatial_words/told"] == found["spatial_words/stated_right"] == 1
    assert found["bleu4"] == found["rouge_l"] == 1


def test_places_that_nobody_knows_are_absent_with_a_reason():
    found, absent = evaluate([clip("A dog barks on the left.", {}, unknown=RULES)], CaptionerConfig())
    assert "bleu1" in found and not any("spatial" in name for name in found) and "no test clip" in absent["spatial_words"]


def test_without_another_interpreter_the_reason_says_what_it_takes():
    found, absent = evaluate(CLIPS, CaptionerConfig())
    for name, word in {"meteor": "METEOR needs Java", "spider": "SPIDEr needs Java", "fense": "FENSE needs aac-metrics"}.items():
        assert absent[name].startswith(word) and "captioner.scorer_python" in absent[name] and name not in found


@pytest.fixture
def interpreter(tmp_path):
    """An executable that is called as an interpreter is: with a script, a question and an answer's place."""

    def interpreter(body):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return interpreter


def test_a_stand_in_interpreter_scores(interpreter, tmp_path):
    answer = {"scores": {"meteor": 0.25, "spider": 0.5}, "faults": {"fense": "ImportError: no msclap"}}
    python = interpreter(f"""cp "$2" {tmp_path}/question.json; echo "$1" > {tmp_path}/script; echo '{json.dumps(answer)}' > "$3\"""")
    found, absent = evaluate(CLIPS, CaptionerConfig(scorer_python=python, java="/opt/java8/bin/java"))
    assert (found["meteor"], found["spider"]) == (0.25, 0.5) and "fense" not in found
    assert absent["fense"] == f"{NEEDS['fense']}; in {python}: ImportError: no msclap"
    asked = json.loads((tmp_path / "question.json").read_text())
    assert asked == {
        "hypotheses": [one.hypothesis for one in CLIPS],
        "references": [one.references for one in CLIPS],
        "java": "/opt/java8/bin/java",
    }
    assert (tmp_path / "script").read_text().strip() == str(SCRIPT)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo first >&2; echo 'no such module' >&2; exit 1", "no such module"),
        ("exit 0", "wrote no answer"),
        ("echo '[1]' > \"$3\"", "holds no scores"),
        ("echo '{' > \"$3\"", "Expecting"),
        ('echo \'{"scores": {"meteor": NaN, "spider": "0.3", "fense": true}}\' > "$3"', "no answer"),
    ],
)
def test_an_interpreter_that_fails_gives_reasons_and_no_numbers(interpreter, body, reason):
    found, absent = scores_elsewhere(["a"], [["a"]], interpreter(body), "java")
    assert not found and absent.keys() == NEEDS.keys() and all(reason in text for text in absent.values()), absent


def test_an_interpreter_that_is_not_there_or_hangs_gives_reasons(interpreter, tmp_path, monkeypatch):
    found, absent = scores_elsewhere(["a"], [["a"]], str(tmp_path / "nowhere"), "java")
    assert not found and all("nowhere" in text for text in absent.values())
    monkeypatch.setattr(elsewhere, "TIMEOUT_S", 0.2)
    found, absent = scores_elsewhere(["a"], [["a"]], interpreter("exec sleep 5"), "java")
    assert not found and all("longer than 0.2 s" in text for text in absent.values())


AAC = """
def {name}(candidates, mult_references, **options):
    assert candidates == {candidates!r} and len(mult_references) == 3, candidates
    {body}
"""


def test_the_script_calls_aac_metrics_as_it_is_called(interpreter, tmp_path):
    """With a package in its place that has the functions of aac-metrics 0.5: tokens to METEOR and SPIDEr, sentences to FENSE."""
    package = tmp_path / "aac_metrics"
    (package / "utils").mkdir(parents=True)
    (package / "utils" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "utils" / "tokenization.py").write_text(
        "def preprocess_mono_sents(sentences, java_path): assert java_path == 'java8'; return [s.lower() for s in sentences]\n"
        "def preprocess_mult_sents(lists, java_path): return [[s.lower() for s in sentences] for sentences in lists]\n"
    )
    raw = [one.hypothesis for one in CLIPS]
    low = [text.lower() for text in raw]
    ours = "import importlib.util\nassert importlib.util.find_spec('elsewhere') is None  # a module beside the script\n"
    (package / "functional.py").write_text(
        ours
        + AAC.format(name="meteor", candidates=low, body="assert options == {'java_path': 'java8'}; return {'meteor': 0.1}, {}")
        + AAC.format(name="spider", candidates=low, body="raise FileNotFoundError('no JAR\\nmore')")
        + AAC.format(name="fense", candidates=raw, body="return {'fense': 0.3}, {}")
    )
    python = interpreter(f'PYTHONPATH={tmp_path} exec {sys.executable} "$@"')
    found, absent = scores_elsewhere(raw, [one.references for one in CLIPS], python, "java8")
    assert found == {"meteor": 0.1, "fense": 0.3} and absent["spider"].endswith("FileNotFoundError: no JAR")


def test_without_aac_metrics_the_script_says_so(interpreter):
    found, absent = scores_elsewhere(["a"], [["a"]], interpreter(f'exec {sys.executable} -S "$@"'), "java")
    assert not found and all("ModuleNotFoundError" in text for text in absent.values())


def test_captions_are_read_back_and_damage_is_named(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_text("".join(json.dumps(vars(one)) + "\n" for one in CLIPS))
    assert read_captions(path) == CLIPS
    for text in ("{", '{"clip": "a"}\n', "[1]\n"):
        path.write_text(text)
        with pytest.raises(RunError, match="damaged"):
            read_captions(path)
    with pytest.raises(RunError, match="missing"):
        read_captions(tmp_path / "none")
