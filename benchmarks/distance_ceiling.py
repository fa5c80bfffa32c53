"""How well distance can be told from what the room's response shows, and from what a trained model's embedding holds.

    python benchmarks/distance_ceiling.py RUNS/embed/ID [RUNS/embed/ID …] [--seed 0]        (a minute; prints JSON)

A run's `embed` stage keeps, beside embeddings, the labels of its probe's clips (training rooms) and of its test clips (rooms never trained
in). Estimators of distance are fitted on the former and judged on the latter: gradient boosting on exact acoustic labels, as an oracle who
measures the response would have them, and ridge regression on the embedding. The oracle comes with and without what sound tells only
indirectly, the floor's area and the source's elevation.

`ratio` is the mean absolute error over that of the training median. `near_far` is the balanced accuracy of nearer than 1 m against farther
than 2 m, at each estimator's own best threshold on the probe's clips.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import numpy as np
from safetensors.torch import load_file
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV

from elsa_lightning.provenance import summary

NEAR_M, FAR_M = 1.0, 2.0
ORACLES = {
    "DRR": ("drr_db",),
    "DRR, C50, T30": ("drr_db", "c50_db", "t30_s"),
    "T30, area": ("t30_s", "floor_area_m2"),
    "DRR, C50, T30, area, elevation": ("drr_db", "c50_db", "t30_s", "floor_area_m2", "elevation"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embed", nargs="+", type=pathlib.Path, help="folders of embed stages")
    parser.add_argument("--seed", type=int, default=0, help="of the boosting")
    arguments = parser.parse_args()
    print(json.dumps(summary() | {"runs": {folder.name: judged(folder, arguments.seed) for folder in arguments.embed}}, indent=1))


def judged(folder: pathlib.Path, seed: int) -> dict:
    """Every estimator on one run's clips."""
    tensors = {name: tensor.float().numpy() for name, tensor in load_file(folder / "embeddings.safetensors").items()}
    sides = {}
    for side in ("probe", "test"):
        placed = np.isfinite(tensors[f"{side}/distance_m"])
        sides[side] = {name.removeprefix(f"{side}/"): values[placed] for name, values in tensors.items() if name.startswith(f"{side}/")}
    found = {"clips": len(sides["test"]["distance_m"]), "fitted_on": len(sides["probe"]["distance_m"])}
    for title, labels in ORACLES.items():
        boosting = HistGradientBoostingRegressor(loss="absolute_error", learning_rate=0.05, max_iter=300, random_state=seed)
        found[title] = scores(boosting, *(np.stack([sides[side][label] for label in labels], 1) for side in sides), sides)
    found["embedding"] = scores(RidgeCV(np.logspace(-4, 4, 20)), *(sides[side]["audio"] for side in sides), sides)
    return found


def scores(estimator, probe: np.ndarray, test: np.ndarray, sides: dict) -> dict[str, float]:
    """Fit on the probe's clips `(N, D)`; error ratio and near/far accuracy on the test's `(M, D)`."""
    known, true = sides["probe"]["distance_m"], sides["test"]["distance_m"]
    estimator.fit(probe, known)
    fitted, guessed = estimator.predict(probe), estimator.predict(test)
    threshold = max(np.quantile(fitted, np.linspace(0.01, 0.99, 99)), key=lambda at: near_far(fitted, known, at))
    ratio = np.abs(guessed - true).mean() / np.abs(np.median(known) - true).mean()
    return {"ratio": round(float(ratio), 3), "near_far": round(near_far(guessed, true, threshold), 3)}


def near_far(guessed: np.ndarray, true: np.ndarray, threshold: float) -> float:
    """Balanced accuracy of near against far."""
    near, far = true < NEAR_M, true > FAR_M
    return float(((guessed[near] < threshold).mean() + (guessed[far] >= threshold).mean()) / 2)


if __name__ == "__main__":
    main()
