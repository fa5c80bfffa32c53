"""`Elsa`: a trained model that reads files and texts. See docs/api.md."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.api import folder as folders
from elsa_lightning.api import hub
from elsa_lightning.api.answers import Guess, Location, located, ranked, vectors
from elsa_lightning.api.audio import Audio
from elsa_lightning.api.embedder import Embedder, Windows
from elsa_lightning.api.sources import open_source
from elsa_lightning.api.windows import Cut
from elsa_lightning.captions.templates import PROMPTS, prompt_phrase
from elsa_lightning.errors import ConfigError, DataError, ElsaError
from elsa_lightning.features import FrontEnd
from elsa_lightning.models.captioner import decode

LOG = logging.getLogger(__name__)
Sound = str | os.PathLike | Audio | np.ndarray | Tensor
"""One sound: a file, `Audio`, or an array with its rate."""
Estimate = np.ndarray | None
TEXTS_AT_ONCE = 128


class Elsa:
    """Text and sound in one space: what sounds, and where.

    Made by `from_pretrained`. Embeddings are float32 arrays of length 1: `(E,)` for one sound or text, `(N, E)` for a list. Nothing is
    random: two calls give the same bits.

    Args:
        parts: what a model's folder holds.
        device: `cpu`, `cuda`, …; None: the GPU where there is one.
        batch_size: windows of sound computed at a time.
    """

    def __init__(self, parts: folders.Parts, device: str | None = None, batch_size: int = 16) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size = {batch_size}", "give 1 or more")
        self.parts, self.batch_size = parts, batch_size
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.network = parts.network.to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"device = {device!r} cannot be used ({str(error).splitlines()[0]})", "leave device= away, or say cpu"
            ) from error
        audio = parts.experiment.audio
        self.front_end = FrontEnd(parts.experiment.features, audio.sample_rate).to(self.device)

    # folders and hubs

    @classmethod
    def from_pretrained(
        cls, name: str | os.PathLike, *, revision: str | None = None, device: str | None = None, batch_size: int = 16
    ) -> Elsa:
        """Open a model.

        Args:
            name: a folder (`make model`, `elsa model export`, `save_pretrained`), or OWNER/NAME on the hub.
            revision: branch, tag or commit on the hub.
            device: `cpu`, `cuda`, …; None: the GPU where there is one.
            batch_size: windows of sound computed at a time.

        Raises:
            DataError: it cannot be had, or is damaged.
        """
        return cls(folders.read(hub.model_folder(name, revision)), device, batch_size)

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Write the model as a folder that needs nothing else: weights, configuration, tokenizer files, model card.

        Raises:
            ConfigError: the folder is there and holds something else.
            RunError: it cannot be written to.
        """
        folders.write(self.parts, Path(folder))

    def push_to_hub(self, name: str, *, private: bool = False, token: str | None = None, message: str = "Upload ELSA model") -> str:
        """Upload what `save_pretrained` writes to OWNER/NAME, and return the commit's address.

        Raises:
            RunError: the hub cannot be reached or refuses.
        """
        return hub.push(self.parts, name, private, token, message)

    def export_graphs(self, folder: str | os.PathLike, format: str = "onnx") -> dict[str, Any]:
        """Write both towers as graphs for other runtimes, a waveform or token ids in and an embedding out (docs/export.md).

        Args:
            folder: new, empty, or with graphs that are replaced.
            format: `onnx` (extra `onnx`) or `torch`, for `torch.export.load`.

        Returns:
            graphs.json: inputs, and how far the graphs are from the model.

        Raises:
            ConfigError: another format, a package that is missing, a folder with something else.
            RunError: towers that cannot be traced, or graphs that do not compute what the model does.
        """
        from elsa_lightning.api import graphs

        return graphs.export(self.parts, Path(folder), format)

    # facts

    @property
    def sample_rate(self) -> int:
        """Hz; other rates are resampled to it."""
        return self.parts.experiment.audio.sample_rate

    @property
    def window_s(self) -> float:
        """Length of the clips that it was trained on, s: longer sounds are cut into windows of it."""
        return self.parts.experiment.audio.clip_s

    @property
    def width(self) -> int:
        """Numbers in an embedding, E."""
        return self.parts.experiment.model.embedding

    # embeddings

    def embed_audio(
        self,
        sounds: Sound | Sequence[Sound],
        *,
        rate: int | None = None,
        layout: str | None = None,
        hop_s: float | None = None,
        trim: bool = True,
    ) -> np.ndarray:
        """Embeddings of sounds of any length.

        Args:
            sounds: one, or a list: files, `Audio`, or arrays (T,) or (4, T).
            rate: of arrays, Hz.
            layout: of files and arrays; None: mono of one channel, `foa_acn_sn3d` of four.
            hop_s: from one window of a longer sound to the next, s; None: half a window.
            trim: leave out leading and trailing silence, as training does; False for clips that are cut already.

        Returns:
            `(E,)` or `(N, E)` float32 of length 1: the mean over a sound's windows, normalised.

        Raises:
            DataError: a sound that cannot be used, with its name and the reason.
        """
        return self._rows(sounds, [heard.embedding for heard in self._heard(sounds, rate, layout, hop_s, trim)])

    def embed_each(
        self, sounds: Iterable[Sound], *, layout: str | None = None, hop_s: float | None = None, trim: bool = True
    ) -> Iterator[np.ndarray | ElsaError]:
        """`embed_audio` of many, one by one as they are ready and in order; a sound that cannot be used gives the fault in its place."""
        for found in self._windows(sounds, None, layout, hop_s, trim):
            yield found.embedding if isinstance(found, Windows) else found

    @torch.no_grad()
    def embed_text(self, texts: str | Sequence[str]) -> np.ndarray:
        """Embeddings of texts. Longer ones than the model reads are cut, which is logged.

        Returns:
            `(E,)` or `(N, E)` float32 of length 1.

        Raises:
            DataError: something else than text, or an empty one.
        """
        rows = _as_list(texts)
        for row in rows:
            if not isinstance(row, str) or not row.strip():
                raise DataError(f"{row!r} is no text", "give words, such as 'a dog barking on the left'")
        tokenizer = self.parts.tokenizer
        if cut := sum(length > tokenizer.max_tokens for length in tokenizer.lengths(rows)):
            LOG.warning("%d of %d texts are longer than %d tokens and were cut", cut, len(rows), tokenizer.max_tokens)
        found = []
        for start in range(0, len(rows), TEXTS_AT_ONCE):
            tokens = tokenizer(rows[start : start + TEXTS_AT_ONCE])
            with torch.autocast(torch.device(self.device).type, enabled=False):
                embedded = self.network.embed_text({name: value.to(self.device) for name, value in tokens.items()})
            found += list(embedded.cpu().numpy())
        return self._rows(texts, found)

    def similarity(self, audio: np.ndarray, text: np.ndarray) -> np.ndarray:
        """Cosines between embeddings, `(N, M)` of `(N, E)` and `(M, E)`; `(N,)`, `(M,)` or a number where one comes alone.

        Raises:
            DataError: arrays of another width, or not finite.
        """
        first, second = (vectors(values, self.width) for values in (audio, text))
        found = np.clip(np.atleast_2d(first) @ np.atleast_2d(second).T, -1.0, 1.0)
        shape = (() if first.ndim == 1 else (len(first),)) + (() if second.ndim == 1 else (len(second),))
        return found.reshape(shape).astype(np.float32)

    # answers

    def classify(
        self,
        sounds: Sound | Sequence[Sound],
        labels: Sequence[str],
        template: str | None = None,
        *,
        rate: int | None = None,
        layout: str | None = None,
    ) -> list[Guess] | list[list[Guess]]:
        """Which of the labels a sound is, best first; a list of such lists for a list of sounds.

        Args:
            sounds: as in `embed_audio`.
            labels: any words.
            template: prompt with `{}` for the label; None: "This is a sound of {}."
            rate: as in `embed_audio`.
            layout: as in `embed_audio`.

        Raises:
            DataError: no labels, a template without `{}`, or a sound that cannot be used.
        """
        template = self.parts.experiment.evaluation.class_template if template is None else template
        if isinstance(labels, str) or not labels:
            raise DataError(f"labels = {labels!r}", "give a list of words")
        if template.count("{}") != 1:
            raise DataError(f"the template {template!r} has no single {{}}", "write {} where the label goes")
        prompts = self.embed_text([template.replace("{}", label) for label in labels])
        audio = np.atleast_2d(self.embed_audio(sounds, rate=rate, layout=layout))
        cosines = vectors(audio, self.width) @ vectors(prompts, self.width).T  # (N, M)
        found = ranked(cosines, self.network.logit_scale_exp.item(), labels)
        return _one_or_all(sounds, found)

    def locate(
        self,
        sounds: Sound | Sequence[Sound],
        *,
        rate: int | None = None,
        layout: str | None = None,
        hop_s: float | None = None,
        trim: bool = True,
    ) -> Location | list[Location]:
        """Direction, distance and floor area by the regression heads, averaged over windows, with their spread.

        Args:
            sounds: as in `embed_audio`; mono sounds have no place.
            rate: as in `embed_audio`.
            layout: as in `embed_audio`.
            hop_s: as in `embed_audio`.
            trim: as in `embed_audio`.

        Raises:
            ConfigError: the model was trained without spatial losses.
            DataError: a mono sound, or one that cannot be used.
        """
        weights = {name: getattr(self.parts.experiment.loss, name).weight for name in ("direction", "distance", "area")}
        if not any(weights.values()):
            raise ConfigError("this model was trained without spatial losses: its heads say nothing", "take a model of the full recipe")
        found = []
        for heard in self._heard(sounds, rate, layout, hop_s, trim):
            if heard.mono:
                raise DataError("a mono sound has no place", "give first-order ambisonics: four channels, W Y Z X")
            found.append(located(*self._estimates(heard.audio, weights), heard.weights))
        return _one_or_all(sounds, found)

    def caption(
        self,
        sounds: Sound | Sequence[Sound],
        *,
        beam: int | None = None,
        rate: int | None = None,
        layout: str | None = None,
        hop_s: float | None = None,
        trim: bool = True,
    ) -> str | list[str]:
        """What sounds and where, in words, by the model's captioner (docs/captioning.md says how far to trust them). Nothing is drawn.

        Args:
            sounds: as in `embed_audio`; mono sounds have no place to tell.
            beam: beams of the search, 1: greedy; None: as many as the captioner's own setting.
            rate: as in `embed_audio`.
            layout: as in `embed_audio`.
            hop_s: as in `embed_audio`.
            trim: as in `embed_audio`.

        Raises:
            ConfigError: the model has no captioner, or `beam` is less than 1.
            DataError: a mono sound, or one that cannot be used.
        """
        captioner, own = self.parts.captioner, self.parts.experiment.captioner
        if captioner is None:
            raise ConfigError(
                "this model has no captioner",
                "train one: elsa train … --set captioner.enabled=true --export DIR, or elsa model export runs/evaluate/… of such a run",
            )
        beam = own.beam if beam is None else beam
        if beam < 1:
            raise ConfigError(f"beam = {beam}", "give 1 (greedy) or more")
        heard = self._heard(sounds, rate, layout, hop_s, trim)
        if any(one.mono for one in heard):
            raise DataError("a mono sound has no place to tell of", "give first-order ambisonics, or classify it")
        network, end, said = captioner.network.to(self.device), captioner.tokenizer.eos_token_id, []
        for start in range(0, len(heard), self.batch_size):
            audio = torch.from_numpy(np.stack([one.embedding for one in heard[start : start + self.batch_size]])).to(self.device)
            said += decode(captioner.tokenizer, network.generate(audio, end, own.max_tokens, beam, own.length_penalty))
        return _one_or_all(sounds, said)

    def move(self, embedding: np.ndarray, from_: str, to: str) -> np.ndarray:
        """An embedding of a sound as if it came from elsewhere: minus the text prototype of one word, plus that of another (the paper's
        direction swap), of length 1 again.

        Args:
            embedding: `(E,)` or `(N, E)`, of sounds or texts.
            from_: word that holds now: left, right, front, back; up, down; near, far; small, medium-sized, large; …
            to: another of the same kind.

        Raises:
            DataError: words that are none, or of two kinds.
        """
        kinds = {word: kind for kind, word in PROMPTS}
        for word in (from_, to):
            if word not in kinds:
                raise DataError(f"{word!r} is no word for a place or room", f"choose {', '.join(kinds)}")
        if kinds[from_] != kinds[to]:
            raise DataError(f"'{from_}' tells the {kinds[from_]}, '{to}' the {kinds[to]}", "give two words of one kind")
        template = self.parts.experiment.evaluation.template
        old, new = self.embed_text([template.format(prompt_phrase(kinds[word], word)) for word in (from_, to)])
        moved = vectors(embedding, self.width) - old + new
        return (moved / np.linalg.norm(moved, axis=-1, keepdims=True)).astype(np.float32)

    # parts

    def _rows(self, asked: Any, found: list[np.ndarray]) -> np.ndarray:
        """Embeddings `(N, E)` of a list, `(E,)` of one."""
        return _one_or_all(asked, np.stack(found) if found else np.empty((0, self.width), np.float32))

    def _heard(self, sounds: Any, rate: int | None, layout: str | None, hop_s: float | None, trim: bool) -> list[Windows]:
        """The windows of all sounds; the first fault is raised."""
        heard = []
        for index, found in enumerate(self._windows(_as_list(sounds), rate, layout, hop_s, trim)):
            if isinstance(found, ElsaError):
                where = f"sound {index}: " if isinstance(sounds, list | tuple) else ""
                raise type(found)(where + found.message, found.remedy) from found
            heard.append(found)
        return heard

    def _windows(
        self, sounds: Iterable[Sound], rate: int | None, layout: str | None, hop_s: float | None, trim: bool
    ) -> Iterator[Windows | ElsaError]:
        cutting = self._cutting(hop_s, trim)
        embedder = Embedder(self.network, self.front_end, cutting, self.parts.experiment.data.mono_policy, self.device, self.batch_size)
        openers: Iterator[Callable] = (partial(open_source, sound, self.sample_rate, rate, layout) for sound in sounds)
        return embedder.each(openers)

    def _cutting(self, hop_s: float | None, trim: bool) -> Cut:
        audio = self.parts.experiment.audio
        size, least = round(audio.clip_s * audio.sample_rate), round(audio.min_s * audio.sample_rate)
        hop = size // 2 if hop_s is None else round(hop_s * audio.sample_rate)
        if not 1 <= hop <= size:
            raise ConfigError(f"hop_s = {hop_s}", f"give more than 0 s and at most a window, {audio.clip_s:g} s")
        return Cut(size, hop, max(size, least), audio.strip_db if trim else None)

    @torch.no_grad()
    def _estimates(self, audio: np.ndarray, weights: dict[str, float]) -> tuple[Estimate, Estimate, Estimate]:
        """Directions `(K, 3)`, distances in m and areas in m² `(K,)` of embeddings `(K, E)`; None for what was not trained."""
        heads = self.network.heads(torch.from_numpy(audio).to(self.device))
        said = {name: values.double().cpu().numpy() for name, values in heads.items()}
        if (scale := self.parts.scales["distance"]) is not None:
            said["distance"] = said["distance"] * scale.std + scale.mean
        if (scale := self.parts.scales["area"]) is not None:
            said["area"] = np.exp(said["area"] * scale.std + scale.mean)
        direction, distance, area = (said[name] if weights[name] else None for name in ("direction", "distance", "area"))
        return direction, distance, area


def _as_list(sounds: Any) -> list[Any]:
    return list(sounds) if isinstance(sounds, list | tuple) else [sounds]


def _one_or_all(asked: Any, found: Any) -> Any:
    """The one answer to one question, all answers to a list."""
    return found if isinstance(asked, list | tuple) else found[0]
