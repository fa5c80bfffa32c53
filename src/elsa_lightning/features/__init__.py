"""From FOA waveforms to what the branches read: the log-mel of W and the intensity vectors. Pure torch modules, always float32."""

from elsa_lightning.features.front_end import Features, FrontEnd

__all__ = ["Features", "FrontEnd"]
