"""Localisation without learning: the direction of the mean active intensity that the spatial branch reads."""

from __future__ import annotations

from elsa_lightning.errors import DataError
from elsa_lightning.evaluators.breakdown import break_down
from elsa_lightning.evaluators.embedded import Embedded, Found
from elsa_lightning.evaluators.localization import DIRECTION_KEYS, known_in_test, score_directions
from elsa_lightning.metrics.localization import localization_metrics


def evaluate(embedded: Embedded) -> Found:
    """`localization_metrics` of stage `intensity`'s directions, over the test examples whose direction is known and whose field has one."""
    tensors, found = embedded.tensors, Found()
    estimate = tensors["intensity/active"]  # (N, 3)
    if len(estimate) != len(tensors["test/direction"]):
        unequal = f"{len(estimate)} intensities for {len(tensors['test/direction'])} test examples"
        raise DataError(unequal, "delete the run of stage intensity and run again")
    there = known_in_test(embedded, "direction")
    heard = estimate.norm(dim=1) > 0
    if not (there & heard).any():
        found.absent |= dict.fromkeys((*DIRECTION_KEYS, "doa_median_deg"), "no test clip with a known direction has a directed field")
        return found
    silent = int((there & ~heard).sum())
    there = there & heard
    asked = tensors["test/direction"][there]
    found.metrics = localization_metrics(estimate[there], asked) | {"without_direction": float(silent)}
    score_directions(found, estimate[there], asked, embedded.clip[there])
    binned = Found()
    break_down(estimate[there], {name: values[there] for name, values in embedded.of("test").items()}, embedded, binned)
    found.details["breakdown"] = binned.details
    return found
