"""Stage `embed`: the frozen model over the fixed test set, the probe's training clips, the captions and the prompts.

Metrics are computed from these embeddings only, so a metric's fix runs again in seconds.
"""

from __future__ import annotations

import json

import torch
from safetensors.torch import save_file
from torch import Tensor

from elsa_lightning.captions.attributes import ATTRIBUTES
from elsa_lightning.captions.templates import prompt_phrase
from elsa_lightning.captions.what_where import SPACES, what_caption, where_caption
from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.trust.ids import gallery_hash
from elsa_lightning.metrics.retrieval import caption_groups
from elsa_lightning.seeding import rng_of
from elsa_lightning.stages.execute import FACTS, Stage
from elsa_lightning.stages.rooms import load_banks
from elsa_lightning.stages.train import load_trained, open_data
from elsa_lightning.training.contrastive import ElsaModule
from elsa_lightning.training.precision import inference_autocast, inference_device

FILE = "embeddings.safetensors"


def run(stage: Stage) -> dict:
    """Write `embeddings.safetensors` and `texts.json`."""
    cfg = stage.cfg
    trained = json.loads((stage.parents["train"] / FACTS).read_text())
    device = inference_device(cfg.trainer.accelerator)
    module = load_trained(cfg, stage.parents["train"], trained["checkpoint"]).to(device)
    data = open_data(stage, load_banks(stage))
    stage.status(0, 3, "embedding test clips")
    tensors = {f"test/{name}": value for name, value in embed_clips(module, data, data.test_dataloader(), device).items()}
    stage.status(1, 3, "embedding the probe's training clips")
    tensors |= {f"probe/{name}": value for name, value in embed_clips(module, data, data.probe_dataloader(), device).items()}
    stage.status(2, 3, "embedding texts")
    texts, groups = retrieval_captions(data)
    tensors["retrieval/text"] = embed_texts(module, data, texts, device)
    tensors["retrieval/clip_of_text"] = torch.arange(len(texts)) // cfg.captions.per_clip
    tensors["retrieval/group"] = groups
    tensors |= {f"prompts/{name}": embed_texts(module, data, asked, device) for name, asked in prompts(data).items()}
    tensors |= embed_texts_apart(module, data, device)
    save_file({name: value.contiguous() for name, value in tensors.items()}, stage.folder / FILE)
    ids = data.test_clip_ids
    facts = {
        "gallery": len(ids),
        "gallery_hash": gallery_hash(ids),
        "test_examples": len(tensors["test/audio"]),
    }
    (stage.folder / "texts.json").write_text(json.dumps({**facts, "captions": texts, "classes": list(data.corpus.labels)}))
    return {**facts, "corpus": data.corpus.name, "synthetic": data.corpus.synthetic, "device": device}


@torch.no_grad()
def embed_clips(module: ElsaModule, data: SpatialAudioText, loader, device: str) -> dict[str, Tensor]:
    """Of every example of a loader, in order: `audio (N, E)`, `direction (N, 3)`, `label (N,)` and spatial labels `(N,)`; where the model
    has the spaces what and where, the embeddings `what`, `where (N, W)` there, and `version (N,)` of the clip."""
    parts: dict[str, list[Tensor]] = {}
    for batch in loader:
        batch = data.on_after_batch_transfer(data.on_before_batch_transfer(batch).to(device))
        with inference_autocast(module.cfg.trainer.precision, device):
            sounds = module.model.embed_audio_everywhere(module.features(batch))
        values = {"audio": sounds["audio"], "direction": batch.direction, "label": batch.label, "is_spatial": batch.is_spatial}
        beside = {space: sounds[f"{space}_audio"] for space in SPACES if f"{space}_audio" in sounds}
        values |= {**beside, "version": batch.version} if beside else {}
        measured = data.in_measured_room(batch)
        values |= {} if measured is None else {"in_measured_room": measured}
        if batch.split == "test":  # an original (data.eval_mono) has no place, whatever room it was paired with
            values["direction"] = values["direction"].where(batch.is_spatial[:, None], float("nan"))
            batch.spatial = {name: value.where(batch.is_spatial, float("nan")) for name, value in batch.spatial.items()}
        for name, value in {**values, **batch.spatial}.items():
            parts.setdefault(name, []).append(value.cpu())
    return {name: torch.cat(values) for name, values in parts.items()}


@torch.no_grad()
def embed_texts(module: ElsaModule, data: SpatialAudioText, texts: list[str], device: str, size: int = 128, space: str = "") -> Tensor:
    """`(M, E)`, in order; in the space `what` or `where` `(M, W)`."""
    chunks = [data.tokenizer(texts[i : i + size]) for i in range(0, len(texts), size)]
    return torch.cat([module.model.embed_text({k: v.to(device) for k, v in tokens.items()}, space).cpu() for tokens in chunks])


def embed_texts_apart(module: ElsaModule, data: SpatialAudioText, device: str) -> dict[str, Tensor]:
    """The texts of the spaces what and where, where the model has them: `<space>/{text, clip_of_text, group}` of the test gallery and
    `<space>/prompts/<question>`, every question in both spaces (the wrong one's answer is leakage).

    A clip's texts of *what* are its captions, `captions.per_clip` at most; of *where* there is one with all its words, if it has any.
    Texts that say the same share a group."""
    if module.model.what_where is None:
        return {}
    cfg, clips = module.cfg, zip(data.dataset("test").records, data.test_words(), strict=True)
    what, where = [], []  # (clip, text, what says the same)
    for clip, (record, words) in enumerate(clips):
        what += [(clip, text, text) for text in map(what_caption, tuple(record.captions)[: cfg.captions.per_clip])]
        if words.items():
            text, said = where_caption(words, rng_of("evaluation place", cfg.data.seed, record.clip_id))
            where.append((clip, text, " ".join(word for _, word in said.items())))
    found = {}
    for space, texts in (("what", what), ("where", where)):
        found[f"{space}/clip_of_text"] = torch.tensor([clip for clip, _, _ in texts], dtype=torch.int64)
        found[f"{space}/group"] = caption_groups([same for _, _, same in texts])
        if texts:
            found[f"{space}/text"] = embed_texts(module, data, [text for _, text, _ in texts], device, space=space)
        found |= {f"{space}/prompts/{name}": embed_texts(module, data, asked, device, space=space) for name, asked in prompts(data).items()}
    return found


def prompts(data: SpatialAudioText) -> dict[str, list[str]]:
    """Question → its prompts: the attributes, and the class where the corpus has any."""
    ask = data.cfg.evaluation
    found = {name: [ask.template.format(prompt_phrase(name, word)) for word in words] for name, words in ATTRIBUTES.items()}
    classes = [ask.class_template.format(label) for label in data.corpus.labels]  # a manifest may have none
    return found | ({"class": classes} if classes else {})


def retrieval_captions(data: SpatialAudioText) -> tuple[list[str], Tensor]:
    """The test gallery's spatial captions, `captions.per_clip` for each clip's first version, and a group id shared by equal captions."""
    texts = [caption for captions in data.test_captions() for caption in captions]
    return texts, caption_groups(texts)
