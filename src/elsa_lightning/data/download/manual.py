"""Corpora that this program does not fetch: how to get them, and what their licences ask."""

from __future__ import annotations

MANUAL: dict[str, str] = {
    # licence: README.md of cdjkim/audiocaps; file names: data.layouts.audiocaps; counts: pitfalls D1
    "audiocaps": """AudioCaps is not fetched by this program: its audio lies on YouTube.
  captions   git clone https://github.com/cdjkim/audiocaps       (dataset/ is 1.0, dataset2.0/ is 2.0)
             “free to use for academic purposes only”, cite Kim et al. 2019
  audio      each clip is ten seconds of a YouTube video, which stays its uploader's; YouTube's terms hold. Use a downloader of
             yours, such as aac-datasets or audiocaps-download.
             The authors give the audio on request (a form at their page, for research).
  missing    some videos are gone (46,230 of 49,838 training clips were left for aac-datasets): say your sizes with every figure
then: elsa data prepare audiocaps --root FOLDER --out audiocaps.jsonl
      elsa data coverage audiocaps.jsonl --official audiocaps""",
    # terms of use: laion-audio-630k/README.md of LAION-AI/audio-dataset; layout: data.layouts.freesound
    "freesound": """The Freesound part of LAION-Audio-630K is not fetched by this program: its terms are to be agreed to by you.
  where      https://github.com/LAION-AI/audio-dataset, folder laion-audio-630k: tables of links, full or without the overlap with ESC-50,
             FSD50K, UrbanSound8K and Clotho (take this one if you evaluate on them); the tars: Meranti/CLAP_freesound on the
             Hugging Face Hub
  terms      “you will use the audios for research purposes only, unless you get the permission from owner of the Datasource”; each sound
             has its own licence besides: CC0, CC BY, CC BY-NC or CC Sampling+, which asks you to name its author
then: elsa data prepare freesound --root FOLDER --out freesound.jsonl        (--extract DIR for tars)""",
    # licence: README.md of XinhaoMei/WavCaps
    "wavcaps": """WavCaps is not fetched by this program: its terms are to be agreed to by you.
  where      cvssp/WavCaps on the Hugging Face Hub: json_files/ and archives of FLAC; unpack them
  terms      academic use only; the sounds stay under the terms of Freesound, BBC Sound Effects, SoundBible and AudioSet
then: elsa data prepare wavcaps --root FOLDER --out wavcaps.jsonl""",
}
"""Corpus → what to do, for people."""
MANUAL["audiocaps2"] = (
    MANUAL["audiocaps"].partition("\nthen: ")[0] + "\nthen: elsa data prepare audiocaps2 --root FOLDER --out audiocaps2.jsonl"
)
