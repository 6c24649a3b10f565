"""Validation: fixed snippets out of the middle of songs, scored beside the mixture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep.audio import Audio
from wavesep.data import Clips
from wavesep.errors import AudioError, OptionError
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


def test_songs_without_all_stems_or_targets_are_refused(clips: Path, tmp_path: Path) -> None:
    vocals, backing = clips / "vocals", clips / "accompaniment"
    soundfile.write(tmp_path / "1.wav", np.zeros(9_000), 8_000)

    with pytest.raises(AudioError, match="no validation song has all stems"):
        Validation(Clips(vocals, ["0"]), Clips(backing, ["1"]), **FORM)
    with pytest.raises(AudioError, match="no validation song has a target"):
        Validation(Clips(tmp_path), Clips(backing), **FORM)


def test_any_number_of_stems_can_be_targets(four_stems: tuple[Clips, ...]) -> None:
    parts = [Validation(stem, four_stems[3], **FORM) for stem in (four_stems[0], four_stems[2])]
    validation = Validation(*four_stems, targets=3, **FORM)

    assert validation.names == ["0", "1"]
    assert validation.mixtures.shape == (2, 450, 2)
    assert validation.targets.shape == (2, 400, 6)
    first, _, third = validation.split(validation.targets)
    np.testing.assert_array_equal(first, parts[0].targets)
    np.testing.assert_array_equal(third, parts[1].targets)
    # what the targets leave over of the mixture is the fourth stem
    rest = np.stack([validation.mixture(i) for i in range(2)])
    rest = rest - np.sum(validation.split(validation.targets), axis=0)
    last = four_stems[3].read(1, (8_000 - 400) / 2 / 8_000, 400, 8_000, 2)
    np.testing.assert_allclose(rest[1], last, atol=1e-6)


def test_scores_are_means_over_the_targets_that_sound(four_stems: tuple[Clips, ...]) -> None:
    validation = Validation(*four_stems, targets=2, **FORM)
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal(validation.targets.shape)
    estimates = (validation.targets + noise).astype(np.float32)

    scores = validation.score(estimates)

    # the second stem of the first song is silent
    sounding = [(0, slice(0, 2)), (1, slice(0, 2)), (1, slice(2, 4))]
    true = [validation.targets[i, :, part] for i, part in sounding]
    after = [si_sdr(t, estimates[i, :, p]) for t, (i, p) in zip(true, sounding, strict=True)]
    before = [si_sdr(t, validation.mixture(i)) for t, (i, _) in zip(true, sounding, strict=True)]
    assert scores.si_sdr == pytest.approx(np.mean(after))
    assert scores.si_sdr_gain == pytest.approx(np.mean(after) - np.mean(before))
    assert scores.loss == pytest.approx(np.abs(estimates - validation.targets).mean())


def test_estimates_are_made_in_batches_of_one_shape(four_stems: tuple[Clips, ...]) -> None:
    validation = Validation(*four_stems, targets=2, **FORM)
    shapes = []

    def separate(mixtures: Audio) -> Audio:
        shapes.append(mixtures.shape)
        return np.concatenate([mixtures, -mixtures], axis=-1)[:, 30:-20]

    estimates = validation.estimate(separate, batch_size=3)

    assert shapes == [(3, 450, 2)]
    assert estimates.shape == validation.targets.shape
    for estimate, sign in zip(validation.split(estimates), (1, -1), strict=True):
        np.testing.assert_array_equal(estimate[1], sign * validation.mixture(1))


@pytest.mark.parametrize("targets", [0, 4])
def test_one_stem_at_least_is_left_over(four_stems: tuple[Clips, ...], targets: int) -> None:
    with pytest.raises(OptionError, match=f"targets={targets} of 4 stems"):
        Validation(*four_stems, targets=targets, **FORM)
