"""How good a separation is."""

from ..dsp.scores import sdr, si_sdr

__all__ = ["sdr", "si_sdr"]
