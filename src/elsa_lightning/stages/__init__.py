"""What each stage of a run computes, from the folders of the stages before into its own folder.

The plan (which stages, which fingerprints) is made without torch in `stages_plan`; here is its execution.
"""

from elsa_lightning.stages.execute import execute

__all__ = ["execute"]
