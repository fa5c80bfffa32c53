"""Every corpus that `elsa data download` fetches: record numbers, file names, bytes and checksums. Facts only, with their source.

An empty checksum or size could not be confirmed in any source at hand; the program then asks Zenodo's record for it when it runs.
Sources are public repositories that state the facts (loaders and download scripts), read in November 2026; where two gave the same MD5 both
are named. Nothing here was fetched.
"""

from __future__ import annotations

from elsa_lightning.data.download.types import RemoteFile, Source, zenodo

_PREPARE = "elsa data prepare {name} --root {{root}} --out {name}.jsonl"
_SEGMENTS = "elsa data segments {name} --root {{root}} --out {name}.jsonl --csv {name}.csv"

# GitHub makes the archive when asked: its bytes are no constant, and it answers neither with a length nor in parts. An MD5 that soundata,
# paddleaudio and HEAR print (7771e4b9…) is that of an old state. The zip's own checksums are tested on unpacking.
ESC50 = Source(
    "esc50",
    "ESC-50 and ESC-10, 2,000 clips in 50 classes (about 0.6 GB)",
    "CC BY-NC 3.0: no commercial use, name the author; its subset ESC-10 is CC BY 3.0.",
    True,
    (RemoteFile("ESC-50-master.zip", "https://github.com/karolpiczak/ESC-50/archive/master.zip"),),
    then=("make reproduce-table CORPUS=esc50 DATA={root}/ESC-50-master", _PREPARE.format(name="esc50")),
)

# MD5: Labbeti/aac-datasets (functional/clotho.py, v2.1) and soundata (clotho.py), equal. Bytes of development and validation: a public
# audit of the record's file metadata; those of evaluation were not found.
_CLOTHO = 4783391
CLOTHO = Source(
    "clotho",
    "Clotho 2.1, 5,929 clips with five captions each (archives of about 7 GB, 11 GB unpacked)",
    "Captions: Tampere University's licence, no commercial use, name the authors. Audio: each file's own Creative Commons licence.",
    True,
    (
        zenodo(_CLOTHO, "clotho_captions_development.csv", 1336762, "d4090b39ce9f2491908eebf4d5b09bae"),
        zenodo(_CLOTHO, "clotho_captions_validation.csv", 367649, "5879e023032b22a2c930aaa0528bead4"),
        zenodo(_CLOTHO, "clotho_captions_evaluation.csv", None, "1b16b9e57cf7bdb7f13a13802aeb57e2"),
        zenodo(_CLOTHO, "clotho_metadata_development.csv", 830797, "170d20935ecfdf161ce1bb154118cda5"),
        zenodo(_CLOTHO, "clotho_metadata_validation.csv", 224803, "2e010427c56b1ce6008b0f03f41048ce"),
        zenodo(_CLOTHO, "clotho_metadata_evaluation.csv", None, "13946f054d4e1bf48079813aac61bf77"),
        zenodo(_CLOTHO, "clotho_audio_development.7z", 4541582263, "c8b05bc7acdb13895bb3c6a29608667e"),
        zenodo(_CLOTHO, "clotho_audio_validation.7z", 1260701425, "7dba730be08bada48bd15dc4e668df59"),
        zenodo(_CLOTHO, "clotho_audio_evaluation.7z", None, "4569624ccadf96223f19cb59fe4f849f"),
    ),
    _CLOTHO,
    (_PREPARE.format(name="clotho"), "elsa data coverage clotho.jsonl --official clotho"),
)

# MD5: soundata (fsd50k.py) and three other loaders, equal. Bytes: two public scripts that pin the record's, equal.
_FSD50K = 4060432
FSD50K = Source(
    "fsd50k",
    "FSD50K, 51,197 Freesound clips in 200 classes (archives of 25 GB)",
    "The set: CC BY 4.0. Each clip: its own licence, CC0, CC BY, CC BY-NC (no commercial use) or CC Sampling+ (see FSD50K.metadata).",
    True,
    (
        zenodo(_FSD50K, "FSD50K.ground_truth.zip", 334701, "ca27382c195e37d2269c4c866dd73485"),
        zenodo(_FSD50K, "FSD50K.metadata.zip", 6700838, "b9ea0c829a411c1d42adb9da539ed237"),
        zenodo(_FSD50K, "FSD50K.doc.zip", 6984, "3516162b82dc2945d3e7feba0904e800"),
        zenodo(_FSD50K, "FSD50K.dev_audio.z01", 3221225472, "faa7cf4cc076fc34a44a479a5ed862a3"),
        zenodo(_FSD50K, "FSD50K.dev_audio.z02", 3221225472, "8f9b66153e68571164fb1315d00bc7bc"),
        zenodo(_FSD50K, "FSD50K.dev_audio.z03", 3221225472, "1196ef47d267a993d30fa98af54b7159"),
        zenodo(_FSD50K, "FSD50K.dev_audio.z04", 3221225472, "d088ac4e11ba53daf9f7574c11cccac9"),
        zenodo(_FSD50K, "FSD50K.dev_audio.z05", 3221225472, "81356521aa159accd3c35de22da28c7f"),
        zenodo(_FSD50K, "FSD50K.dev_audio.zip", 2306663327, "c480d119b8f7a7e32fdb58f3ea4d6c5a"),
        zenodo(_FSD50K, "FSD50K.eval_audio.z01", 3221225472, "3090670eaeecc013ca1ff84fe4442aeb"),
        zenodo(_FSD50K, "FSD50K.eval_audio.zip", 3037675767, "6fa47636c3a3ad5c7dfeba99f2637982"),
    ),
    _FSD50K,
    (_PREPARE.format(name="fsd50k"),),
)

# MD5: soundata (urbansound8k.py) and five other loaders, equal. Bytes: not found.
URBANSOUND8K = Source(
    "urbansound8k",
    "UrbanSound8K, 8,732 clips in 10 classes (archive of about 6 GB)",
    "CC BY-NC: no commercial use, name the authors (3.0 by its page, 4.0 by soundata).",
    True,
    (zenodo(1203745, "UrbanSound8K.tar.gz", None, "9aa69802bbf37fb986f71ec1483a196e"),),
    1203745,
    (_PREPARE.format(name="urbansound8k"),),
)

# MD5 of foa_dev and metadata_dev: soundata (starss2022.py) and a public download script, equal; bytes, README and LICENSE: the script. This
# is version 1.0, whose development set is what has labels; 6600531 (1.1) adds the evaluation set, without them.
_STARSS22 = 6387880
STARSS22 = Source(
    "starss22",
    "STARSS22, 121 recordings of real scenes, first-order ambisonics with labels (2.2 GB)",
    "MIT.",
    False,
    (
        zenodo(_STARSS22, "LICENSE", 1194, "2424296dab0b421211874b6c5cd1cacb"),
        zenodo(_STARSS22, "README.md", 23568, "0e12de6f61c43e3d6af05911b46c6663"),
        zenodo(_STARSS22, "metadata_dev.zip", 634378, "b460e17e0848c49f03f238afb89fa87e"),
        zenodo(_STARSS22, "foa_dev.zip", 2199498647, "165dd033b262dc11a8853635c1def59b"),
    ),
    _STARSS22,
    (_SEGMENTS.format(name="starss"),),
)

# Bytes and MD5: the same script; LICENSE and metadata_dev also in a second one, equal. The evaluation set has no labels and is left out.
_STARSS23 = 7880637
STARSS23 = Source(
    "starss23",
    "STARSS23, recordings of real scenes with distances (3.4 GB)",
    "MIT.",
    False,
    (
        zenodo(_STARSS23, "LICENSE", 1194, "1c11108eda7c915172b10c48276cc189"),
        zenodo(_STARSS23, "README.md", 28707, "bbfde2b9d0e47c7dafd3cbc92107c920"),
        zenodo(_STARSS23, "metadata_dev.zip", 1165845, "e73af95a6d5f3f7e009ac6a70804f44a"),
        zenodo(_STARSS23, "foa_dev.zip", 3406085425, "316b834ee6393c22862c314cc3c7ebb0"),
    ),
    _STARSS23,
    (_SEGMENTS.format(name="starss"),),
)

# Bytes and MD5: the same script. Licence: README of the 2020 set, as `data.recorded.tau_nigens` has it.
_TAU_2021 = 5476980
TAU_NIGENS_2021 = Source(
    "tau-nigens-2021",
    "TAU-NIGENS Spatial Sound Events 2021, synthetic scenes in measured rooms (7.6 GB)",
    "CC BY-NC 4.0: no commercial use, name the authors.",
    True,
    (
        zenodo(_TAU_2021, "README.md", 22689, "73332d04f05ed6568210731fb9296593"),
        zenodo(_TAU_2021, "metadata_dev.zip", 1930087, "cd8cd8b4dc9a3e3df91ac55c1ccf73b7"),
        zenodo(_TAU_2021, "metadata_eval.zip", 660393, "11c021253c8b55fd74083bd0a35c2ee4"),
        zenodo(_TAU_2021, "foa_dev.z01", 4294967296, "270a94dc5cd183ea6532c5a3f6e9036c"),
        zenodo(_TAU_2021, "foa_dev.zip", 1425535805, "80648b5f64b1b4a824084560f1334f54"),
        zenodo(_TAU_2021, "foa_eval.zip", 1893873528, "591f8d2b500a671ae34822b4ff1e0889"),
    ),
    _TAU_2021,
    (_SEGMENTS.format(name="tau-nigens"),),
)


def _tut2018(part: str, record: int, splits: str, about: str) -> Source:
    """Names: a public download script for these three records (REAL's splits are numbered 1, 8, 9). Bytes and MD5: not found, asked for."""
    archives = [f"{part}/ov{overlap}_split{split}.zip" for overlap in "123" for split in splits]
    return Source(
        f"tut2018-{part.lower()}",
        f"TUT Sound Events 2018, Ambisonic, {part}: {about}",
        f"Those of Zenodo {record} (its file LICENSE, fetched first: read it); not confirmed here: take them as no commercial use.",
        True,
        (zenodo(record, f"{part}/LICENSE"), *(zenodo(record, path) for path in archives)),
        record,
        (_SEGMENTS.format(name="tut2018"),),
    )


# Addresses: README.md of apple/ml-spatial-librispeech; bytes and SHA-256 of every sample are columns of the metadata (DATASET_SCHEMA.md).
SPATIAL_LIBRISPEECH = Source(
    "spatial-librispeech",
    "Spatial LibriSpeech, 650 h of talkers in simulated rooms (a file for each utterance; --lite for fewer)",
    "CC BY 4.0: name the authors. It is made from LibriSpeech, AudioSet and Freesound, whose own terms stay.",
    False,
    (
        RemoteFile(
            "metadata.parquet", "https://docs-assets.developer.apple.com/ml-research/datasets/spatial-librispeech/v1/metadata.parquet"
        ),
    ),
    then=(_SEGMENTS.format(name="spatial-librispeech"),),
)

SOURCES = {
    source.name: source
    for source in (
        ESC50,
        CLOTHO,
        FSD50K,
        URBANSOUND8K,
        STARSS22,
        STARSS23,
        TAU_NIGENS_2021,
        _tut2018("REAL", 1237793, "189", "events in a measured room"),
        _tut2018("ANSYN", 1237703, "123", "events in the free field"),
        _tut2018("RESYN", 1237707, "123", "events in a simulated room"),
        SPATIAL_LIBRISPEECH,
    )
}
"""By the name that the command line has."""
