"""The recipe of a WaveNet: the loss is the MAE of its samples, the optimizer is Muon."""

from __future__ import annotations

from ..recipe import Recipe
from .muon import Muon

# layers at the input and at the output of the network, which Adam trains
ENDS = ("analysis_", "cell_encoder", "mask/", "synthesis_", "decoder")

RECIPE = Recipe("mae", lambda rate: Muon(rate, adam=ENDS), learning_rate=1e-3)
