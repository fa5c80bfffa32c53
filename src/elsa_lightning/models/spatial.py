"""Where it is heard: encoders of the intensity vectors."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.models.coord_conv import CoordConv2d
from elsa_lightning.models.semantic import halve
from elsa_lightning.schema import CoordCnnConfig, FeatureConfig, NoSpatialConfig, StaticIntensityConfig
from elsa_lightning.weights import SPATIAL_BRANCH, branch_file


class CoordStream(nn.Module):
    """One stream of the learned branch: blocks of CoordConv 3×3, 2×2 max pooling, batch norm and ELU, then a fixed grid, flattened.

    Pooling before the norm quarters the cost of what follows it. An axis that is down to the grid's size is pooled no further, so short
    clips and few bands keep what they have.
    """

    def __init__(self, cfg: CoordCnnConfig) -> None:
        super().__init__()
        self.magnitude, self.average = cfg.magnitude, cfg.average
        widths = [4 if cfg.magnitude else 3, *cfg.channels]
        self.grid = (cfg.grid[0], cfg.grid[1])
        self.convolutions = nn.ModuleList(CoordConv2d(before, after) for before, after in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for after in cfg.channels)
        self.dropout = nn.Dropout(cfg.dropout)
        self.width = widths[-1] * self.grid[0] * self.grid[1]
        self.to(memory_format=torch.channels_last)  # maps follow the weights' layout: twice as fast on a CPU

    def forward(self, vectors: Tensor) -> Tensor:
        """`(B, 3, F, K)` → `(B, width)`."""
        if self.magnitude:
            vectors = torch.cat([vectors, vectors.norm(dim=1, keepdim=True)], 1)  # (B, 4, F, K)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            vectors = nn.functional.elu(norm(halve(convolution(vectors), self.grid, self.average)))
        cells = nn.functional.adaptive_avg_pool2d(vectors, self.grid)  # (B, C, grid frames, grid bands)
        return self.dropout(cells.flatten(1))


class CoordCnnBranch(nn.Module):
    """The paper's learned branch: two streams (active, reactive intensity) → three-layer MLP → 44 attributes → ELU, linear → width.

    The paper gives the parts and the total, 485,828 parameters, but no widths. Ours, 485,924 (+0.02 %):

        two streams of six blocks, 16-32-48-64-64-64 channels, no convolution bias      2 × 126,000
        each stream's last map averaged to 4 frames × 2 bands, flattened: 2 × 512
        MLP 1024 → 192 → 120 → 44                                                         225,284
        ELU, linear 44 → 192                                                                8,640

    The averaging stands for the paper's plain flattening and makes the count independent of the clip's length. Dropout follows it, as in
    the paper.

    A trap of joint training: vertical information fades block by block on some seeds (docs/concepts.md). Drawing rooms with high and low
    sources more often (`rooms.elevation_balance`) helps; with `skip` the output holds coherent means beside what was learned.

    With `reactive: false` there is one stream, and the MLP reads half as much.

    Args:
        cfg: sizes.
        features: not needed: the branch takes any number of frames and bands.

    Raises:
        ConfigError: an empty list of channels, or a grid that is not two positive numbers.
        DataError: `cfg.checkpoint` cannot be loaded.
    """

    def __init__(self, cfg: CoordCnnConfig, features: FeatureConfig) -> None:
        super().__init__()
        if not cfg.channels:
            raise ConfigError("model.spatial.channels is empty", "give one number of channels per convolution block")
        if len(cfg.grid) != 2 or min(cfg.grid) < 1:
            raise ConfigError(f"model.spatial.grid = {list(cfg.grid)} is not a grid", "give two positive numbers: frames and bands")
        self.means = CoherentMeans(cfg.skip, features) if cfg.skip else None
        self.components = 6 if cfg.reactive else 3
        self.width = cfg.width + self.components * cfg.skip
        self.active, self.reactive = CoordStream(cfg), CoordStream(cfg) if cfg.reactive else None
        widths = [self.active.width * self.components // 3, *cfg.hidden]
        layers = [layer for before, after in pairwise(widths) for layer in (nn.Linear(before, after), nn.ELU())]
        self.mlp = nn.Sequential(*layers, nn.Linear(widths[-1], cfg.attributes))
        self.expand = nn.Sequential(nn.ELU(), nn.Linear(cfg.attributes, cfg.width))
        if cfg.checkpoint:
            load_branch(self, cfg.checkpoint)

    def attributes(self, intensity: Tensor) -> Tensor:
        """Intensity `(B, 6, F, K)` → attributes `(B, 44)`, the target of pre-training."""
        streams = [self.active(intensity[:, :3])]
        if self.reactive is not None:
            streams.append(self.reactive(intensity[:, 3:]))
        return self.mlp(torch.cat(streams, 1))

    def forward(self, intensity: Tensor) -> Tensor:
        """Intensity `(B, 6, F, K)` → `(B, width)`."""
        learned = self.expand(self.attributes(intensity))
        if self.means is None:
            return learned
        means = self.means(intensity).unflatten(1, (6, -1))[:, : self.components].flatten(1)
        return torch.cat([learned, means.to(learned.dtype)], 1)


class StaticIntensityBranch(nn.Module):
    """Nothing learned: the intensity averaged over time in equal groups of neighbouring bands, `(B, 6, F, K)` → `(B, 6 · bands)`.

    Args:
        cfg: number of groups.
        features: for K.

    Raises:
        ConfigError: more groups than bands.
    """

    def __init__(self, cfg: StaticIntensityConfig, features: FeatureConfig) -> None:
        super().__init__()
        count = features.intensity.bands or features.intensity.n_fft // 2 + 1
        if not 1 <= cfg.bands <= count:
            raise ConfigError(f"model.spatial.bands = {cfg.bands}, but the intensity has {count} bands", f"choose 1 to {count}")
        self.width = 6 * cfg.bands
        members = nn.functional.one_hot(torch.arange(count) * cfg.bands // count, cfg.bands).float()  # (K, bands)
        self.register_buffer("groups", members / members.sum(0), persistent=False)

    def forward(self, intensity: Tensor) -> Tensor:
        """Intensity `(B, 6, F, K)` → `(B, 6 · bands)`, component by component."""
        return (intensity.mean(2) @ self.groups).flatten(1)


class CoherentMeans(StaticIntensityBranch):
    """Time averages in equal groups of bands, each bin weighted by its squared active length.

    With energy-normalised intensity that length is one minus the diffuseness: direct sound counts, reverberation and noise hardly do.

    Args:
        bands: number of groups.
        features: for K.
    """

    def __init__(self, bands: int, features: FeatureConfig) -> None:
        super().__init__(StaticIntensityConfig(bands=bands), features)

    def forward(self, intensity: Tensor) -> Tensor:
        """Intensity `(B, 6, F, K)` → `(B, 6 · bands)`, component by component."""
        intensity = intensity.float()
        weight = intensity[:, :3].square().sum(1, keepdim=True)  # (B, 1, F, K)
        sums = (weight * intensity).sum(2) @ self.groups  # (B, 6, bands)
        return (sums / ((weight.sum(2) @ self.groups) + 1e-6)).flatten(1)


class NoSpatialBranch(nn.Module):
    """Nothing is heard of directions: intensity `(B, 6, F, K)` → `(B, 0)`."""

    width = 0

    def __init__(self, cfg: NoSpatialConfig, features: FeatureConfig) -> None:
        super().__init__()

    def forward(self, intensity: Tensor) -> Tensor:
        """`(B, 0)`, for the fusion to be of the semantic branch alone."""
        return intensity.new_zeros(intensity.shape[0], 0)


def save_branch(branch: nn.Module, folder: str | Path) -> Path:
    """Write a branch's weights to `folder`, for `model.spatial.checkpoint`."""
    from safetensors.torch import save_file

    path = Path(folder) / SPATIAL_BRANCH
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in branch.state_dict().items()}, path)
    return path


def load_branch(branch: nn.Module, path: str | Path) -> None:
    """Fill a branch with the weights in a file or folder written by `save_branch`.

    Raises:
        DataError: no such file, not a safetensors file, or other sizes than the branch's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = branch_file(str(path))
    try:
        branch.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(
            f"{path} does not fit this spatial branch: {str(error).strip().splitlines()[-1].strip()}",
            "give model.spatial the sizes that it was pre-trained with",
        ) from error


SPATIAL = {CoordCnnConfig: CoordCnnBranch, StaticIntensityConfig: StaticIntensityBranch, NoSpatialConfig: NoSpatialBranch}


def build_spatial(
    cfg: CoordCnnConfig | StaticIntensityConfig | NoSpatialConfig, features: FeatureConfig
) -> CoordCnnBranch | StaticIntensityBranch | NoSpatialBranch:
    """The spatial branch for a config; `.width` is the width of its output."""
    if type(cfg) not in SPATIAL:
        raise ConfigError(f"model.spatial: no branch for {type(cfg).__name__}", "choose coord_cnn, static_iv or none")
    return SPATIAL[type(cfg)](cfg, features)
