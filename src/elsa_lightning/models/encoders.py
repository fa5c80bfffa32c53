"""Encoders of transformers inside a model: their own configurations, and the same encoders made from these without any checkpoint.

A pretrained encoder brings sizes that the experiment's configuration does not hold. A folder with a trained model keeps them, so that it
can be opened where neither the checkpoint nor the package that it came from is at hand.
"""

from __future__ import annotations

import json
from typing import Any

from torch import nn

from elsa_lightning.errors import DataError
from elsa_lightning.models.elsa import ElsaModel

_NOT_KEPT = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype")
"""Fields that say where a configuration came from, not what the encoder is."""


def encoder_configs(model: ElsaModel) -> dict[str, dict[str, Any]]:
    """Tower (`semantic`, `text`) → kind and configuration of its transformers encoder; towers of ours are not in it."""
    found = {}
    for tower in ("semantic", "text"):
        part = getattr(model, tower)
        encoder = getattr(part, "encoder", None) if hasattr(part, "states") else getattr(part, "model", None)
        if encoder is not None:
            values = json.loads(encoder.config.to_json_string(use_diff=False))
            found[tower] = {name: value for name, value in values.items() if name not in _NOT_KEPT}
    return found


def make_encoders(configs: dict[str, dict[str, Any]], source: str) -> dict[str, nn.Module]:
    """Encoders with random weights, to be filled, from what `encoder_configs` gave.

    Args:
        configs: tower → configuration.
        source: file that holds them, for messages.

    Raises:
        DataError: a configuration of another kind of encoder, or a damaged one.
    """
    if not configs:
        return {}
    import transformers

    kinds = {
        "clap_audio_model": lambda values: transformers.ClapAudioModel(transformers.ClapAudioConfig(**values)),
        "roberta": lambda values: transformers.RobertaModel(transformers.RobertaConfig(**values)),
        "bert": lambda values: transformers.BertModel(transformers.BertConfig(**values), add_pooling_layer=False),
    }
    made = {}
    for tower, values in configs.items():
        kind = values.get("model_type") if isinstance(values, dict) else None
        if kind not in kinds:
            raise DataError(
                f"{source}: encoders.{tower} is of the unknown kind {kind!r}", "write the folder again with `elsa model export`"
            )
        try:
            made[tower] = kinds[kind](values)
        except Exception as error:  # transformers raises whatever its validation meets
            raise DataError(
                f"{source}: encoders.{tower} cannot be built ({str(error).splitlines()[0][:200]})",
                "write the folder again with `elsa model export`",
            ) from error
    return made
