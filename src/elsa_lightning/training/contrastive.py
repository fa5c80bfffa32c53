"""ELSA's training: contrastive between audio and text, with optional regression of direction, distance and floor area."""

from __future__ import annotations

import math

import lightning
import torch
from torch import Tensor

from elsa_lightning.checks import NO_ACCUMULATION
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.errors import ConfigError
from elsa_lightning.features import Features, FrontEnd
from elsa_lightning.losses.combine import ElsaLoss
from elsa_lightning.losses.gather import mean_over_ranks
from elsa_lightning.losses.partners import Partners, Truth
from elsa_lightning.losses.places import Places
from elsa_lightning.losses.spatial import TargetScale, known
from elsa_lightning.metrics.accumulate import LocalizationMetric, RetrievalMetric
from elsa_lightning.metrics.retrieval import caption_groups
from elsa_lightning.models.elsa import ElsaModel
from elsa_lightning.schema import Experiment
from elsa_lightning.seeding import seed_of
from elsa_lightning.training.finite import gradient_fault, loss_fault
from elsa_lightning.training.grad_cache import backward_all, forward_all
from elsa_lightning.training.optim import build_optimizer, frozen_towers


def partners_of(batch: AudioTextBatch) -> Partners:
    """What is true of what in a training batch: equal captions, clips of one recording. A clip without a known source is its own."""
    return Partners(caption_groups(batch.captions).to(batch.key.device), _recordings(batch), batch.plain)


def _recordings(batch: AudioTextBatch) -> Tensor:
    recordings = [record.source or f"clip {record.clip_id}" for record in batch.records]
    return torch.tensor([seed_of("recording", name) for name in recordings], dtype=torch.int64).to(batch.key.device)


def truths_of(batch: AudioTextBatch) -> dict[str, Truth]:
    """What is true of what in the spaces beside the joint one, where the batch has their texts: of *what* equal captions, and any caption
    of a clip's recording (none has a word of space); of *where* each text whose words hold."""
    if not batch.texts:
        return {}
    groups = caption_groups(batch.texts["what"]).to(batch.key.device)
    what = Partners(groups, _recordings(batch), torch.ones_like(groups, dtype=torch.bool))
    return {"what": what, "where": Places(batch.said, batch.heard)}


class ElsaModule(lightning.LightningModule):
    """The model, its front end, its losses and its validation metrics.

    Args:
        cfg: the experiment.
        scales: mean and standard deviation of the regression targets over the training rooms.
        total_steps: length of the training, for the learning-rate schedule.
    """

    def __init__(self, cfg: Experiment, scales: dict[str, TargetScale], total_steps: int) -> None:
        super().__init__()
        self.cfg, self.total_steps = cfg, total_steps
        self.front_end = FrontEnd(cfg.features, cfg.audio.sample_rate)
        self.model = ElsaModel(cfg.model, cfg.features)
        self.model.freeze(frozen_towers(cfg.optim))
        self.loss = ElsaLoss(cfg.loss, scales)
        if cfg.loss.clip.form == "sigmoid":
            self.logit_bias = torch.nn.Parameter(torch.tensor(cfg.loss.clip.sigmoid.bias))
            with torch.no_grad():
                for scale in self.model.log_scales():
                    scale.fill_(-math.log(cfg.loss.clip.sigmoid.temperature))
            if self.model.what_where is not None:
                biases = {space: torch.tensor(cfg.loss.clip.sigmoid.bias) for space in self.model.what_where.logit_scale}
                self.space_bias = torch.nn.ParameterDict({space: torch.nn.Parameter(bias) for space, bias in biases.items()})
        self._clip_ids: list[str] = []
        self.val_retrieval = RetrievalMetric()
        self.val_localization = LocalizationMetric()

    def features(self, batch: AudioTextBatch) -> Features:
        """The batch's cached features, or those of its FOA."""
        return batch.features if batch.features is not None else self.front_end(batch.foa)

    @property
    def has_idle_parameters(self) -> bool:
        """Whether some parameters that could be trained get no gradient, because their loss has weight 0."""
        # the spaces beside the joint one are there only with their losses
        return not all(self.loss.weights[name] for name in ("clip", "direction", "distance", "area"))

    def on_fit_start(self) -> None:
        if self.trainer.accumulate_grad_batches > 1:
            raise ConfigError(*NO_ACCUMULATION)

    def on_train_batch_start(self, batch: AudioTextBatch, batch_idx: int) -> None:
        self._seed_dropout(0, 1)

    def _seed_dropout(self, chunk: int, chunks: int) -> None:
        # dropout is a function of (seed, step, rank): a resumed run needs no generator state to go on bit for bit. A chunk of a rank counts
        # as a rank, so that both passes of a chunk drop the same units, and chunks drop what as many ranks would
        torch.manual_seed(seed_of("dropout", self.cfg.seed, self.global_step, self.global_rank * chunks + chunk))

    def forward(self, batch: AudioTextBatch) -> dict[str, Tensor]:
        """Everything that the losses need, see `ElsaModel.forward`; with the sigmoid form also the `logit_bias` of each space."""
        outputs = self.model(self.features(batch), batch.tokens, batch.text_tokens)
        if self.cfg.loss.clip.form == "sigmoid":
            outputs["logit_bias"] = self.logit_bias.float()
            outputs |= {f"{space}_logit_bias": self.space_bias[space].float() for space in batch.texts}
        return outputs

    def training_step(self, batch: AudioTextBatch, batch_idx: int) -> Tensor:
        self._clip_ids = batch.clip_id
        truths = partners_of(batch) if self.cfg.loss.clip.multi_positive else None, truths_of(batch)
        chunks = self.cfg.trainer.chunks
        if chunks == 1:
            outputs = self(batch)
            total, terms = self.loss(outputs, batch, *truths)
            self._report(total, terms, outputs)
            return total
        self.zero_grad()
        parts = batch.chunks(chunks)

        def forward(chunk: int) -> dict[str, Tensor]:
            self._seed_dropout(chunk, chunks)
            return self(parts[chunk])

        outputs = forward_all(self, forward, chunks)
        total, terms = self.loss(outputs, batch, *truths)
        self._report(total, terms, outputs)
        return backward_all(total, outputs, forward, chunks, self._accumulate)

    def _accumulate(self, surrogate: Tensor) -> None:
        # DDP exchanges in the backward that follows training_step only, which is Lightning's, of the last chunk
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)  # 16-mixed has one
        (scaler.scale(surrogate) if scaler is not None else surrogate).backward()

    def _report(self, total: Tensor, terms: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        """Log the ranks' means; stop on all ranks if they are not finite."""
        means = mean_over_ranks(torch.stack([total.detach(), *terms.values()]))
        reduced = dict(zip(terms, means[1:], strict=True))
        if not torch.isfinite(means[0]):
            raise loss_fault(self.global_step, reduced, outputs, self._clip_ids)
        size = len(self._clip_ids)
        self.log_dict({f"loss/{name}": value for name, value in reduced.items()}, batch_size=size)
        self.log("loss/total", means[0], batch_size=size)
        for name, value in outputs.items():  # train/temperature, train/what_temperature, train/bias …
            if name.endswith("logit_scale"):
                self.log(f"train/{name.removesuffix('logit_scale')}temperature", 1 / value.detach())
            elif name.endswith("logit_bias"):
                self.log(f"train/{name.removesuffix('logit_bias')}bias", value.detach())

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        if self.cfg.trainer.chunks == 1:  # else training_step has zeroed them before the chunks' gradients came in
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def optimizer_step(self, *arguments, **options) -> None:
        super().optimizer_step(*arguments, **options)
        self.model.clamp_logit_scale()  # here, not when the batch ends: callbacks save their checkpoint before the module's own hook

    def validation_step(self, batch: AudioTextBatch, batch_idx: int) -> None:
        audio = self.model.embed_audio(self.features(batch))
        first = batch.version == 0  # one version of each clip is the gallery, as in the test
        if first.any():
            captions = [caption for one, is_first in zip(batch.caption_sets, first.tolist(), strict=True) if is_first for caption in one]
            tokens = {name: values.to(audio.device) for name, values in self.trainer.datamodule.tokenizer(captions).items()}
            text_key = batch.key[first].repeat_interleave(self.cfg.captions.per_clip)
            self.val_retrieval.update(audio[first], self.model.embed_text(tokens), batch.key[first], captions, text_key)
        with torch.autocast(audio.device.type, enabled=False):
            direction = self.model.heads(audio)["direction"]
        here = known(batch.direction, batch.is_spatial)
        self.val_localization.update(direction[here], batch.direction[here], batch.key[here])

    def on_validation_epoch_end(self) -> None:
        for prefix, metric in (("val/retrieval", self.val_retrieval), ("val/localization", self.val_localization)):
            values = {f"{prefix}/{name}": value for name, value in metric.compute().items()}
            metric.reset()
            if values.get("val/localization/n") == 0:  # no direction is known: nothing to say but that
                values = {"val/localization/n": 0.0}
            self.log_dict(values, sync_dist=False)

    def configure_optimizers(self) -> dict:
        return build_optimizer(self, self.cfg.optim, self.total_steps)

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None) -> None:
        limit = self.cfg.optim.clip_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_([p for p in self.parameters() if p.grad is not None], limit)
        if not torch.isfinite(norm):
            raise gradient_fault(self.global_step, self._clip_ids)
        self.log("train/gradient_norm", norm)

    def _frozen(self) -> set[str]:
        return {f"model.{name}" for name in self.model.from_package()}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        # a frozen pretrained encoder is rebuilt from its own files: no checkpoint carries it
        for name in self._frozen():
            checkpoint["state_dict"].pop(name, None)

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        own = self.state_dict()
        for name in self._frozen():
            checkpoint["state_dict"].setdefault(name, own[name])
