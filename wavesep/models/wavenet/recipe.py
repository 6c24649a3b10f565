"""How a WaveNet is trained: the mean absolute error of its samples, by Muon."""

from __future__ import annotations

from ..recipe import Recipe
from .muon import Muon

# layers where sound goes in and where the estimate comes out: Adam trains these
ENDS = ("analysis_", "cell_encoder", "mask/", "synthesis_", "decoder")

RECIPE = Recipe("mae", lambda rate: Muon(rate, adam=ENDS), learning_rate=1e-3)
