"""Whose weights are these? Names of an audio encoder's and a text encoder's tensors in the checkpoints of others, and ours for them.

| layout | audio encoder | text encoder |
| --- | --- | --- |
| LAION-CLAP's own (`.pt`) | `audio_branch.` | `text_branch.` |
| transformers' CLAP (laion/clap-htsat-unfused) | `audio_model.` | `text_model.` |
| transformers' audio encoder, or RoBERTa under a language-model head (roberta-base) | `audio_encoder.` | `roberta.` |
| RoBERTa alone | | `embeddings.`, `encoder.`, `pooler.` |

Ours are transformers' ClapAudioModel and RobertaModel. LAION's names were read in `LAION-AI/CLAP`, clap_module/{htsat,model}.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from elsa_lightning.errors import DataError

State = dict[str, Tensor]

_CLAP_OTHERS = ("logit_scale_a", "logit_scale_t", "text_projection.", "audio_projection.")
_LAION_OTHERS = (*_CLAP_OTHERS, "text_transform.", "audio_transform.")
_LAION_UNUSED = tuple(f"audio_branch.{name}." for name in ("spectrogram_extractor", "logmel_extractor", "tscam_conv", "head"))
"""Its front end, and its classifier of AudioSet, which the embedding does not pass."""
_BUFFERS = ("position_ids", "token_type_ids", "attn_mask")
"""Last parts of the names of constants that some versions store."""

_LAION_AUDIO = {
    "bn0.": "batch_norm.",
    ".norm1.": ".layernorm_before.",
    ".norm2.": ".layernorm_after.",
    ".attn.proj.": ".attention.output.dense.",
    ".attn.": ".attention.self.",
    ".mlp.fc1.": ".intermediate.dense.",
    ".mlp.fc2.": ".output.dense.",
}


def _same(name: str, tensor: Tensor) -> State:
    return {name: tensor}


def _laion_audio(name: str, tensor: Tensor) -> State:
    """One of LAION's tensors of HTSAT as ours; query, key and value are one tensor there."""
    for theirs, ours in _LAION_AUDIO.items():
        name = name.replace(theirs, ours)
    name = f"audio_encoder.{name}"
    if ".qkv." not in name:
        return {name: tensor}
    parts = tensor.chunk(3)
    return {name.replace(".qkv.", f".{one}."): part for one, part in zip(("query", "key", "value"), parts, strict=True)}


@dataclass(frozen=True)
class Layout:
    """How a kind of checkpoint names a part.

    Attributes:
        title: for messages.
        prefix: of the part's own tensors.
        marks: a beginning of names that this kind alone has.
        others: beginnings of the names of what else such a checkpoint holds.
        rename: name without the prefix, tensor → names and tensors of ours.
        projection: beginning of the names of the projection into CLAP's space, and the two layers' names; empty: there is none.
        optional: beginnings of our names that may be missing.
    """

    title: str
    prefix: str
    marks: str
    others: tuple[str, ...] = ()
    rename: Callable[[str, Tensor], State] = _same
    projection: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    def split(self, state: State) -> tuple[State, list[str]]:
        """Our names → tensors of the part, and the names that nobody knows."""
        own: State = {}
        leftover: list[str] = []
        for name, tensor in state.items():
            if name.rpartition(".")[2] in _BUFFERS or name.startswith(self.others):
                continue
            if name.startswith(self.prefix):
                own |= self.rename(name.removeprefix(self.prefix), tensor)
            else:
                leftover.append(name)
        return own, leftover


AUDIO = (
    Layout(
        "LAION-CLAP's audio branch",
        "audio_branch.",
        "audio_branch.",
        ("text_branch.", *_LAION_OTHERS, *_LAION_UNUSED),
        _laion_audio,
        ("audio_projection.", "0", "2"),
    ),
    Layout(
        "transformers' CLAP",
        "audio_model.",
        "audio_model.",
        ("text_model.", *_CLAP_OTHERS),
        projection=("audio_projection.", "linear1", "linear2"),
    ),
    Layout("transformers' audio encoder of CLAP", "", "audio_encoder."),
)
TEXT = (
    Layout(
        "LAION-CLAP's text branch",
        "text_branch.",
        "text_branch.",
        ("audio_branch.", *_LAION_OTHERS),
        projection=("text_projection.", "0", "2"),
    ),
    Layout(
        "transformers' CLAP",
        "text_model.",
        "text_model.",
        ("audio_model.", *_CLAP_OTHERS),
        projection=("text_projection.", "linear1", "linear2"),
    ),
    # the published roberta-base has no pooler: it starts at random and is trained, in LAION-CLAP as here
    Layout("RoBERTa under a head", "roberta.", "roberta.", ("lm_head.",), optional=("pooler.",)),
    Layout("RoBERTa", "", "embeddings.word_embeddings.", optional=("pooler.",)),
)


def layout_of(state: State, layouts: tuple[Layout, ...], name: str, key: str) -> Layout:
    """The first layout whose mark is there.

    Raises:
        DataError: none is.
    """
    for layout in layouts:
        if any(one.startswith(layout.marks) for one in state):
            return layout
    wanted = ", ".join(f"`{layout.marks}`" for layout in layouts)
    there = ", ".join(f"`{first}.`" for first in dict.fromkeys(one.partition(".")[0] for one in list(state)[:400]))
    raise DataError(f"{key}: {name} holds none of the names {wanted}; its names begin with {there or 'nothing'}", "name another checkpoint")


def projection_of(state: State, layout: Layout, name: str, key: str) -> State:
    """A checkpoint's projection into CLAP's space: `first.weight`, `first.bias`, `second.weight`, `second.bias`.

    Raises:
        DataError: it has none.
    """
    if layout.projection:
        prefix, first, second = layout.projection
        names = {f"{ours}.{kind}": f"{prefix}{theirs}.{kind}" for ours, theirs in (("first", first), ("second", second))
                 for kind in ("weight", "bias")}  # fmt: skip
        if all(one in state for one in names.values()):
            return {ours: state[theirs].float() for ours, theirs in names.items()}
    raise DataError(f"{key}: {name} ({layout.title}) holds no projection", "set it to false, or name a whole CLAP checkpoint")
