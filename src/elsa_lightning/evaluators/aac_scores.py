"""Run by an interpreter that has aac-metrics, never imported here: `python aac_scores.py QUESTION.json ANSWER.json`.

The question holds `hypotheses`, `references` and `java`; the answer `scores` {metric: value} and `faults` {metric: why there is none}. Any
Python from 3.8 will do.
"""

import json
import os
import sys

# the folder of this file comes first on a script's path, and what lies beside it is not for this interpreter
sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]


def main(asked, answered):
    with open(asked, encoding="utf-8") as file:
        question = json.load(file)
    scores, faults = {}, {}
    for name, score in (("meteor", meteor), ("spider", spider), ("fense", fense)):
        try:
            scores[name] = float(score(question["hypotheses"], question["references"], question["java"]))
        except Exception as fault:  # whatever it is, the other metrics may still be had
            faults[name] = "{}: {}".format(type(fault).__name__, (str(fault).strip().splitlines() or [""])[0])[:300]
    with open(answered, "w", encoding="utf-8") as file:
        json.dump({"scores": scores, "faults": faults}, file)


def tokenized(hypotheses, references, java):
    """By Stanford's PTB tokeniser, as the field does."""
    from aac_metrics.utils.tokenization import preprocess_mono_sents, preprocess_mult_sents

    return preprocess_mono_sents(hypotheses, java_path=java), preprocess_mult_sents(references, java_path=java)


def meteor(hypotheses, references, java):
    from aac_metrics.functional import meteor

    return meteor(*tokenized(hypotheses, references, java), java_path=java)[0]["meteor"]


def spider(hypotheses, references, java):
    from aac_metrics.functional import spider

    return spider(*tokenized(hypotheses, references, java), java_path=java)[0]["spider"]


def fense(hypotheses, references, java):
    from aac_metrics.functional import fense

    return fense(hypotheses, references)[0]["fense"]


if __name__ == "__main__":
    main(*sys.argv[1:])
