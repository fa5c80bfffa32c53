"""Two towers and three heads as plain `nn.Module`s: no Lightning, no data, no physics. Builders dispatch on the config's dataclass."""

from elsa_lightning.models.elsa import ElsaModel, parameter_table
from elsa_lightning.models.semantic import build_semantic
from elsa_lightning.models.spatial import build_spatial
from elsa_lightning.models.text import build_text
from elsa_lightning.models.tokenizers import build_tokenizer

__all__ = ["ElsaModel", "build_semantic", "build_spatial", "build_text", "build_tokenizer", "parameter_table"]
