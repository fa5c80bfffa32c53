"""From numbers to words, and from words to sentences. Imports no torch."""

from elsa_lightning.captions.attributes import ATTRIBUTES, SpatialWords, attribute_index, words_of
from elsa_lightning.captions.templates import evaluation_captions, plain_caption, prompt_phrase, spatial_caption

__all__ = [
    "ATTRIBUTES",
    "SpatialWords",
    "attribute_index",
    "evaluation_captions",
    "plain_caption",
    "prompt_phrase",
    "spatial_caption",
    "words_of",
]
