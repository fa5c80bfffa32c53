"""What users call: `Elsa` and `Audio` (`from elsa_lightning import Elsa`), a model as a folder, its card, and the hub. See docs/api.md."""
