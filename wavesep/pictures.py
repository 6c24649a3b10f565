"""Mel spectrograms, and pictures of them one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .dsp import mel
from .dsp.stft import Stft

TICKS = (0, 512, 1_024, 2_048, 4_096, 8_192)  # Hz
WIDTH, PANEL = 9.0, 1.9  # inches: the width of a picture and the height of each panel
DPI = 80

Panel = NDArray[np.float32]


def mel_power(audio: NDArray[np.float32], sample_rate: int) -> Panel:
    """Return the mel power spectrogram of the mean of all channels.

    Parameters
    ----------
    audio : float32 array, (samples, channels)
    sample_rate : int
        In Hz.

    Returns
    -------
    float32 array, (128, frames)
    """
    hop = mel_hop(sample_rate)
    return mel.mel_power(audio.mean(axis=1), sample_rate, Stft(4 * hop, hop))


def mel_hop(sample_rate: int) -> int:
    """Return the hop in samples: 512 at 44.1 kHz, about the same duration at other rates."""
    return int(2 ** round(np.log2(512 * sample_rate / 44_100)))


def draw_loudness(
    powers: Mapping[str, Panel], sample_rate: int, title: str, top: float, floor_db: int
) -> Figure:
    """Draw mel power spectrograms in dB, one below the other.

    Parameters
    ----------
    powers : dict of str to array, (128, frames)
        The keys are the titles of the panels; see `mel_power`.
    sample_rate : int
        In Hz.
    title : str
    top : float, > 0
        The power of the brightest colour.
    floor_db : int, < 0
        The level of the darkest colour, in dB relative to ``top``.
    """
    decibels = {name: mel.power_to_db(power / np.float32(top)) for name, power in powers.items()}
    title = f"{title}, {floor_db} to 0 dB"
    return draw_panels(decibels, sample_rate, title, vmin=floor_db, vmax=0, cmap="magma")


def draw_panels(panels: Mapping[str, Panel], sample_rate: int, title: str, **scale: Any) -> Figure:
    """Draw pictures of ``(mel bands, frames)`` on one scale, one below the other.

    Parameters
    ----------
    panels : dict of str to array
        The keys are the titles of the panels.
    sample_rate : int
        In Hz.
    title : str
    **scale
        ``vmin``, ``vmax`` and ``cmap`` of matplotlib.
    """
    height = PANEL * len(panels) + 0.5
    figure = Figure(figsize=(WIDTH, height))
    figure.suptitle(title, y=1 - 0.08 / height, fontsize=10)
    axes = figure.subplots(
        len(panels), 1, sharex=True, squeeze=False,
        # matplotlib's automatic layout takes as long as the drawing
        gridspec_kw={
            "left": 0.09, "right": 0.98, "bottom": 0.5 / height, "top": 1 - 0.45 / height,
            "hspace": 0.25,
        },
    )[:, 0]  # fmt: skip
    ticks = [hertz for hertz in TICKS if hertz <= sample_rate / 2]
    for axis, (name, panel) in zip(axes, panels.items(), strict=True):
        seconds = panel.shape[1] * mel_hop(sample_rate) / sample_rate
        extent = (0, seconds, 0, mel.hertz_to_mel(sample_rate / 2))
        axis.imshow(panel, origin="lower", aspect="auto", extent=extent, **scale)
        axis.set_yticks(mel.hertz_to_mel(ticks), ticks)
        axis.set(ylabel="Hz")
        axis.set_title(name, loc="left", fontsize=9)
    axes[-1].set(xlabel="seconds")
    return figure
