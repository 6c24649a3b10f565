"""Mixtures of many stems, of which some are the targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep.data import Clips
from wavesep.data.mixes import Augmentation
from wavesep.errors import OptionError

from .mixing import PLAIN, RATE, generator


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clips, ...]:
    """Stems whose song is a ramp on the left: the first rises once as fast, the fourth four times.

    Song "a" has no third stem, "b" and "c" have all.
    """
    folder = tmp_path_factory.mktemp("four")
    for rise, (stem, names) in enumerate(zip("0123", ("abc", "abc", "bc", "abc"), strict=True), 1):
        (folder / stem).mkdir()
        for name in names:
            audio = np.zeros((3 * RATE, 2))
            audio[:, 0] = rise * (0.1 + 0.1 * np.arange(3 * RATE) / RATE)
            soundfile.write(folder / stem / f"{name}.wav", audio, RATE, subtype="FLOAT")
    return tuple(Clips(folder / stem) for stem in "0123")


def test_what_the_targets_leave_over_is_the_last_stem(four: tuple[Clips, ...]) -> None:
    mixes = generator(four, targets=3, augmentation=PLAIN)

    mixtures, targets = mixes[1]

    assert mixtures.shape == (3, 750, 2)
    assert targets.shape == (3, 600, 6)
    for mixture, target in zip(mixtures[:, 100:700], targets, strict=True):
        parts = np.split(target, 3, axis=-1)
        parts.append(mixture - np.sum(parts, axis=0))
        for rise, part in enumerate(parts, 1):
            # PLAIN still swaps channels and flips polarity
            slope = np.diff(np.abs(part).max(axis=1))
            np.testing.assert_allclose(slope, rise * 0.1 / RATE, atol=1e-6)


@pytest.mark.parametrize("aligned_share", [0.0, 1.0])
def test_a_mixture_is_the_sum_of_its_stems(
    four: tuple[Clips, ...], tmp_path: Path, aligned_share: float
) -> None:
    for path in four[3].paths:
        soundfile.write(tmp_path / path.name, np.zeros((3 * RATE, 2)), RATE)
    clean = Augmentation(noise=0, mute_vocals=0, mute_accompaniment=0)
    options = {"targets": 3, "augmentation": clean, "aligned_share": aligned_share}
    whole = generator(four, **options)
    without_last = generator((*four[:3], Clips(tmp_path)), **options)

    for k in range(4):
        mixture, targets = without_last.example(0, 0, k)
        parts = np.split(targets, 3, axis=-1)
        np.testing.assert_allclose(mixture[100:700], np.sum(parts, axis=0), atol=1e-6)
        np.testing.assert_array_equal(whole.example(0, 0, k)[1], targets)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_stems_of_one_song_lie_at_the_same_place(four: tuple[Clips, ...], share: float) -> None:
    varied = replace(PLAIN, speed=(0.5, 2.0))
    mixes = generator(four, targets=3, augmentation=varied, aligned_share=share)

    assert [four[0].names[song[0]] for song in mixes.pairs] == ["b", "c"]
    for k in range(5):
        mixture, targets = mixes.example(0, 0, k)
        parts = np.split(targets, 3, axis=-1)
        parts.append(mixture[100:700] - np.sum(parts, axis=0))
        ramps = [np.abs(part).max(axis=1) / rise for rise, part in enumerate(parts, 1)]
        alike = [np.allclose(ramps[0], ramp, atol=1e-3) for ramp in ramps[1:]]
        assert alike == [share == 1.0] * 3


def test_an_example_is_the_same_whenever_it_is_made(four: tuple[Clips, ...]) -> None:
    one, other = (generator(four, targets=2, seed=5) for _ in range(2))
    other.epoch = 3
    mixtures, targets = other[2]

    for k in (2, 0, 1):
        for mine, theirs in zip(one.example(3, 2, k), (mixtures[k], targets[k]), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    # how many are targets changes nothing else
    wider, more = generator(four, targets=3, seed=5).example(3, 2, 0)
    np.testing.assert_array_equal(wider, mixtures[0])
    np.testing.assert_array_equal(more[:, :4], targets[0])


@pytest.mark.parametrize(
    ("changes", "sounding"),
    [
        ({"mute_vocals": 1.0}, [False, True, True, True]),
        ({"mute_accompaniment": 1.0}, [True, False, False, False]),
    ],
)
def test_the_first_of_many_stems_or_all_others_are_muted(
    four: tuple[Clips, ...], changes: dict[str, float], sounding: list[bool]
) -> None:
    augmentation = replace(PLAIN, **changes)  # type: ignore[arg-type]

    mixture, targets = generator(four, targets=3, augmentation=augmentation).example(0, 0, 0)

    parts = np.split(targets, 3, axis=-1)
    parts.append(mixture[100:700] - np.sum(parts, axis=0))
    assert [float(np.abs(part).max()) > 1e-6 for part in parts] == sounding


@pytest.mark.parametrize(("count", "targets"), [(4, 0), (4, 4), (2, 2), (1, 1), (0, 1)])
def test_one_stem_at_least_is_left_over(four: tuple[Clips, ...], count: int, targets: int) -> None:
    with pytest.raises(OptionError, match=f"targets={targets} of {count} stems"):
        generator(four[:count], targets=targets)
