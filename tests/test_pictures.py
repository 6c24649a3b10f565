"""Mel spectrograms as pictures: their size, and a scale in Hz and seconds."""

from __future__ import annotations

import numpy as np
import pytest

from wavesep.audio import Audio
from wavesep.dsp.mel import BANDS, hertz_to_mel
from wavesep.pictures import draw_loudness, mel_hop, mel_power


@pytest.mark.parametrize("samples", [0, 1, 511, 5_000])
@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_a_short_sound_has_a_spectrogram(samples: int, rate: int) -> None:
    power = mel_power(np.zeros((samples, 2), np.float32), rate)
    assert power.shape == (BANDS, 1 + samples // mel_hop(rate))
    assert not power.any()


def test_the_scale_is_in_hz_and_seconds(noise: Audio) -> None:
    figure = draw_loudness({"noise": mel_power(noise, 44_100)}, 44_100, "noise", 1.0, -60)
    (axis,) = figure.axes
    (image,) = axis.images

    hertz = [int(label.get_text()) for label in axis.get_yticklabels()]
    assert len(hertz) > 3
    np.testing.assert_allclose(hertz_to_mel(hertz), axis.get_yticks(), atol=1e-9)
    left, right, bottom, top = image.get_extent()
    assert (left, bottom) == (0, 0)
    assert right == pytest.approx(2, abs=0.02)
    assert top == hertz_to_mel(22_050)
    assert image.get_clim() == (-60, 0)
    assert image.origin == "lower"
