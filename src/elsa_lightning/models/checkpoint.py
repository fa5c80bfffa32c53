"""Weights of others read into our modules: tensors only, every name accounted for, sizes from config.json or from the tensors."""

from __future__ import annotations

import json
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.layouts import AUDIO, TEXT, Layout, State, layout_of, projection_of
from elsa_lightning.weights import Checkpoint, find_checkpoint, first_line

_SHOWN = 20
"""Names listed in a message; of more, the number is told."""


def read_state(found: Checkpoint, key: str) -> State:
    """All tensors of a checkpoint by name. Pickled files may hold tensors, containers and numbers, nothing that runs (`weights_only`).

    Raises:
        DataError: it cannot be read, or holds no tensors.
    """
    state: dict[str, Any] = {}
    for path in found.weights:
        try:
            state |= _read_file(path)
        except _unreadable() as error:
            advice = "fetch the file again"
            if isinstance(error, pickle.UnpicklingError):
                advice = (
                    "if you trust the file, write its tensors alone on another machine: "
                    "torch.save(torch.load(OLD, weights_only=False)['state_dict'], NEW)"
                )
            raise DataError(f"{key}: {path} cannot be read: {first_line(error)}", advice) from error
    state = {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, Tensor)}
    if not state:
        raise DataError(f"{key}: {found.name} holds no tensors by name", "name a checkpoint of CLAP or RoBERTa")
    return state


def _unreadable() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    return OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError, SafetensorError


def _read_file(path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    with torch.serialization.safe_globals(_numpy_scalars()):
        content = torch.load(path, map_location="cpu", weights_only=True)
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    return content if isinstance(content, dict) else {}


def _numpy_scalars() -> list:
    """Numbers of numpy, which LAION's training left beside the tensors (its best figures so far)."""
    import numpy
    from numpy._core.multiarray import scalar

    kinds = [type(numpy.dtype(name)) for name in ("float64", "float32", "int64")]
    return [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar"), numpy.dtype, *kinds]


def fill(model: nn.Module, own: State, leftover: list[str], layout: Layout, name: str, key: str) -> None:
    """Put a part's tensors into its module.

    Raises:
        DataError: names that are missing, left over, or of other sizes, with the list.
    """
    wanted = model.state_dict()
    faults = {
        "missing": [one for one in wanted if one not in own and not one.startswith(layout.optional or ("\0",))],
        "left over": leftover + [one for one in own if one not in wanted],
        "of another size": [
            f"{one} {tuple(own[one].shape)} instead of {tuple(wanted[one].shape)}"
            for one in own
            if one in wanted and own[one].shape != wanted[one].shape
        ],
    }
    faults = {kind: names for kind, names in faults.items() if names and not (kind == "missing" and set(names) <= _constants(model))}
    if faults:
        text = "; ".join(f"{len(names)} {kind}: {_listed(names)}" for kind, names in faults.items())
        raise DataError(f"{key}: {name} read as {layout.title} does not fit this model: {text}", "name a checkpoint of this architecture")
    model.load_state_dict(own, strict=False)


def _constants(model: nn.Module) -> set[str]:
    """Buffers that every model of this size has alike."""
    return {one for one, _ in model.named_buffers() if one.rpartition(".")[2] == "relative_position_index"}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _settings(found: Checkpoint, key: str) -> dict[str, Any]:
    """config.json, empty where there is none."""
    if found.config is None:
        return {}
    try:
        settings = json.loads(found.config.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{key}: {found.config} cannot be read: {first_line(error)}", "fetch the file again") from error
    return settings if isinstance(settings, dict) else {}


def pretrained_audio(name: str, spec_size: int, projection: bool = False) -> tuple[nn.Module, State | None]:
    """transformers' unfused ClapAudioModel with a checkpoint's weights, in float32.

    Args:
        name: folder, file or hub name.
        spec_size: cells of the image, where neither config.json nor the weights tell.
        projection: read the audio projection too.

    Returns:
        The model, and the projection's tensors (`layouts.projection_of`) or None.

    Raises:
        DataError: it cannot be had or read, or its names do not fit.
        ConfigError: a fused CLAP.
    """
    from transformers import ClapAudioConfig, ClapAudioModel

    key = "model.semantic.checkpoint"
    found = find_checkpoint(name, key)
    state = read_state(found, key)
    layout = layout_of(state, AUDIO, name, key)
    settings = _settings(found, key)
    sizes = settings.get("audio_config", settings)
    if sizes.get("enable_fusion") or any(".fusion_model." in one or ".mel_conv2d." in one for one in state):
        raise ConfigError(f"{key}: {name} is a fused CLAP, which reads four crops a clip", "take laion/clap-htsat-unfused")
    own, leftover = layout.split(state)
    model = ClapAudioModel(ClapAudioConfig(**(sizes or _audio_sizes(own, state, spec_size, name, key))))
    fill(model, own, leftover, layout, name, key)
    return model, projection_of(state, layout, name, "model.semantic.projection") if projection else None


def _audio_sizes(own: State, state: State, spec_size: int, name: str, key: str) -> dict[str, Any]:
    """Sizes of HTSAT, read off the shapes of its tensors."""
    encoder = "audio_encoder."
    depths: list[int] = []
    while any(one.startswith(f"{encoder}layers.{len(depths)}.") for one in own):
        stage = f"{encoder}layers.{len(depths)}.blocks."
        depths.append(len({one.removeprefix(stage).partition(".")[0] for one in own if one.startswith(stage)}))
    tables = [f"{encoder}layers.{i}.blocks.0.attention.self.relative_position_bias_table" for i in range(len(depths))]
    try:
        heads = [own[table].shape[1] for table in tables]
        width, bands = len(own[f"{encoder}patch_embed.proj.weight"]), len(own[f"{encoder}batch_norm.weight"])
    except (KeyError, IndexError) as error:
        raise DataError(f"{key}: {name} holds no HTSAT: {error} is missing", "name a CLAP checkpoint with an HTSAT audio branch") from error
    masks = [tensor for one, tensor in state.items() if one.endswith("layers.0.blocks.1.attn_mask")]
    if masks:  # one mask per window of 8 × 8 patches of 4 × 4 cells
        spec_size = 32 * round(len(masks[0]) ** 0.5)
    return {
        "spec_size": spec_size,
        "num_mel_bins": bands,
        "patch_embeds_hidden_size": width,
        "hidden_size": width * 2 ** (len(depths) - 1),
        "depths": depths,
        "num_attention_heads": heads,
        "num_hidden_layers": len(depths),
    }


_TEXT_SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "hidden_dropout_prob",
    "attention_probs_dropout_prob", "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id",
)  # fmt: skip


def pretrained_text(name: str, heads: int, projection: bool = False) -> tuple[nn.Module, State | None]:
    """transformers' RobertaModel with a checkpoint's weights, in float32.

    Args:
        name: folder, file or hub name.
        heads: attention heads, where there is no config.json: the tensors do not tell.
        projection: read the text projection too.

    Returns:
        The model, and the projection's tensors (`layouts.projection_of`) or None.

    Raises:
        DataError: it cannot be had or read, or its names do not fit.
    """
    from transformers import ClapTextConfig, RobertaConfig, RobertaModel

    key = "model.text.checkpoint"
    found = find_checkpoint(name, key)
    state = read_state(found, key)
    layout = layout_of(state, TEXT, name, key)
    settings = _settings(found, key)
    if "text_config" in settings:
        full = ClapTextConfig(**settings["text_config"]).to_dict()
        sizes = {one: full[one] for one in _TEXT_SIZES}
    else:
        sizes = {one: settings[one] for one in _TEXT_SIZES if one in settings}
    own, leftover = layout.split(state)
    model = RobertaModel(RobertaConfig(**(sizes or _text_sizes(own, heads, name, key))))
    fill(model, own, leftover, layout, name, key)
    return model, projection_of(state, layout, name, "model.text.projection") if projection else None


def _text_sizes(own: State, heads: int, name: str, key: str) -> dict[str, Any]:
    """Sizes of RoBERTa, read off the shapes of its tensors."""
    try:
        words, places = own["embeddings.word_embeddings.weight"], own["embeddings.position_embeddings.weight"]
        types, inner = own["embeddings.token_type_embeddings.weight"], own["encoder.layer.0.intermediate.dense.weight"]
    except KeyError as error:
        raise DataError(f"{key}: {name} holds no RoBERTa: {error} is missing", "name a checkpoint with a RoBERTa text encoder") from error
    if words.shape[1] % heads:
        raise ConfigError(f"model.text.heads = {heads} does not divide the width {words.shape[1]} of {name}", "set the number that it has")
    layers = {one.split(".")[2] for one in own if one.startswith("encoder.layer.")}
    return {
        "vocab_size": len(words),
        "hidden_size": words.shape[1],
        "num_hidden_layers": len(layers),
        "num_attention_heads": heads,
        "intermediate_size": len(inner),
        "max_position_embeddings": len(places),
        "type_vocab_size": len(types),
        "layer_norm_eps": 1e-5,  # roberta-base, from which LAION-CLAP starts
    }
