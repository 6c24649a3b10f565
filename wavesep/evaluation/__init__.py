"""How good a separation is."""

from ..dsp.scores import sdr, si_sdr
from .oracles import ratio_mask

__all__ = ["ratio_mask", "sdr", "si_sdr"]
