"""A few rendered clips for TensorBoard: what training hears, with its captions; spectrograms and intensity to see, two ears to listen."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Mapping

import numpy as np
import soundfile
import torch
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from elsa_lightning.acoustics.ambisonics import W
from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.acoustics.binaural import binaural
from elsa_lightning.data.captioning import Tokenizer
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.datasets import assemble
from elsa_lightning.data.readers import Corpus
from elsa_lightning.data.types import AudioTextBatch
from elsa_lightning.errors import ConfigError, ElsaError
from elsa_lightning.schema import Experiment

CLIPS = 4
"""How many are shown."""

COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]])
"""From silence to loud, RGB: dark to bright also without colours."""

RANGE_DB = 80.0
"""Below the loudest, what is still to be seen."""

PEAK = 0.9
"""Of a sound, full scale being 1."""


def show_clips(writer: SummaryWriter, cfg: Experiment, corpus: Corpus, banks: Mapping[str, RoomBank], tokenizer: Tokenizer) -> None:
    """Render validation clips as training does (no noise is added, nothing is turned) and write `clips/<n>`: image, sound and words.

    Args:
        writer: of the curves.
        cfg: the experiment.
        corpus: sounds.
        banks: rooms by split.
        tokenizer: of the captions.
    """
    batch = _rendered(cfg, corpus, banks, tokenizer)
    if batch is None:
        return
    ears = _ears(batch.foa, cfg.audio.sample_rate)
    for row, clip_id in enumerate(batch.clip_id):
        words = f"{batch.captions[row]}  \n`{clip_id}`{_where(batch, row)}"
        writer.add_text(f"clips/{row}", words)
        note = SummaryMetadata(summary_description=words)
        log_mel = batch.features.log_mel[row, 0]  # (F, M), dB
        _write(writer, Summary.Value(tag=f"clips/{row}/log_mel_of_W", metadata=note, image=picture(log_mel)))
        _write(writer, Summary.Value(tag=f"clips/{row}/sound", metadata=note, audio=sound(ears[row], cfg.audio.sample_rate)))


def _rendered(cfg: Experiment, corpus: Corpus, banks: Mapping[str, RoomBank], tokenizer: Tokenizer) -> AudioTextBatch | None:
    """The first validation clips; None where one cannot be used: the validation will say so."""
    cfg = dataclasses.replace(cfg, trainer=dataclasses.replace(cfg.trainer, chunks=1))
    data = SpatialAudioText(cfg, corpus, banks, tokenizer)
    dataset = data.dataset("val")
    batch = assemble("val", [dataset[0, row] for row in range(min(CLIPS, len(dataset)))])
    if isinstance(batch, ElsaError):
        return None
    with torch.no_grad():
        return data.on_after_batch_transfer(data.on_before_batch_transfer(batch))


def _ears(foa: Tensor, sample_rate: int) -> Tensor:
    """(B, 2, T) for headphones, or (B, 1, T), W alone, where no measured head is installed (extra `binaural`)."""
    try:
        return binaural(foa, sample_rate)
    except ConfigError:
        return foa[:, W : W + 1]


def _where(batch: AudioTextBatch, row: int) -> str:
    """Where the source is, in numbers; empty for a clip without a place."""
    if not batch.is_spatial[row]:
        return ", without a place"
    value = {name: values[row].item() for name, values in batch.spatial.items()}
    places = f"azimuth {math.degrees(value['azimuth']):.0f}°, elevation {math.degrees(value['elevation']):.0f}°"
    return f": {places}, {value['distance_m']:.1f} m, floor {value['floor_area_m2']:.0f} m², T30 {value['t30_s']:.2f} s"


def picture(log_mel: Tensor, scale: int = 4) -> Summary.Image:
    """A spectrogram, low bands at the bottom.

    Args:
        log_mel: `(F, M)`, dB.
        scale: pixels of a band.
    """
    level = ((log_mel - log_mel.max()) / RANGE_DB + 1).clamp(0, 1).T.flip(0).cpu().numpy()  # (M, F)
    at = np.linspace(0, 1, len(COLOURS))
    pixels = np.stack([np.interp(level, at, COLOURS[:, channel]) for channel in range(3)], -1).astype(np.uint8)
    image = Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1))
    content = io.BytesIO()
    image.save(content, "PNG")
    return Summary.Image(height=image.height, width=image.width, colorspace=3, encoded_image_string=content.getvalue())


def sound(ears: Tensor, sample_rate: int) -> Summary.Audio:
    """A WAV file of `(channels, T)`, as loud as it goes."""
    samples = (ears * (PEAK / ears.abs().max().clamp(min=1e-9))).T.cpu().numpy()
    content = io.BytesIO()
    soundfile.write(content, samples, sample_rate, format="WAV", subtype="PCM_16")
    return Summary.Audio(
        sample_rate=sample_rate,
        num_channels=samples.shape[1],
        length_frames=len(samples),
        encoded_audio_string=content.getvalue(),
        content_type="audio/wav",
    )


def _write(writer: SummaryWriter, value: Summary.Value) -> None:
    writer.file_writer.add_summary(Summary(value=[value]), 0)
