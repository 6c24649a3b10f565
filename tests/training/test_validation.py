"""Validation: fixed snippets out of the middle of songs, scored beside the mixture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep.data import Clips
from wavesep.errors import AudioError
from wavesep.evaluation import si_sdr
from wavesep.training import Validation

FORM = {"samples": 400, "left_context": 30, "right_context": 20, "sample_rate": 8_000}


@pytest.fixture
def validation(clips: Path) -> Validation:
    return Validation(Clips(clips / "vocals"), Clips(clips / "accompaniment"), **FORM)


def test_snippets_are_the_middle_of_each_song_with_context(
    validation: Validation, clips: Path
) -> None:
    vocals, _ = soundfile.read(clips / "vocals" / "1.wav", dtype="float32")
    backing, _ = soundfile.read(clips / "accompaniment" / "1.wav", dtype="float32")

    assert Validation(
        Clips(clips / "vocals"), Clips(clips / "accompaniment"), most=1, **FORM
    ).names == ["0"]
    assert validation.names == ["0", "1"]
    start = 8_000 - 200
    np.testing.assert_array_equal(validation.targets[1, :, 0], vocals[start : start + 400])
    mixture = (vocals + backing)[start - 30 : start + 420]
    np.testing.assert_allclose(validation.mixtures[1, :, 1], mixture, atol=1e-7)
    np.testing.assert_array_equal(validation.mixture(1), validation.mixtures[1, 30:430])


def test_scores_are_means_beside_those_of_the_mixture(validation: Validation) -> None:
    rng = np.random.default_rng(0)
    estimates = validation.targets + 0.01 * rng.standard_normal(validation.targets.shape)

    scores = validation.score(estimates.astype(np.float32))

    after = np.mean([si_sdr(t, e) for t, e in zip(validation.targets, estimates, strict=True)])
    before = np.mean([si_sdr(validation.targets[i], validation.mixture(i)) for i in range(2)])
    assert scores.si_sdr == pytest.approx(after, abs=1e-3)
    assert scores.si_sdr_gain == pytest.approx(after - before, abs=1e-3)
    assert scores.loss == pytest.approx(np.abs(estimates - validation.targets).mean(), rel=1e-3)


def test_songs_without_both_stems_or_vocals_are_refused(clips: Path, tmp_path: Path) -> None:
    vocals, backing = clips / "vocals", clips / "accompaniment"
    soundfile.write(tmp_path / "1.wav", np.zeros(9_000), 8_000)

    with pytest.raises(AudioError, match="no validation song has both stems"):
        Validation(Clips(vocals, ["0"]), Clips(backing, ["1"]), **FORM)
    with pytest.raises(AudioError, match="no validation song has vocals"):
        Validation(Clips(tmp_path), Clips(backing), **FORM)
