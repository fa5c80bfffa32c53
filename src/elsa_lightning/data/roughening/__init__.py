"""What real recordings add to a clean scene: a room's noise, a microphone's faults, a recorder's; each a function of its example's key."""

from elsa_lightning.data.roughening.chain import roughen
from elsa_lightning.data.roughening.onset import delay_onset

__all__ = ["delay_onset", "roughen"]
