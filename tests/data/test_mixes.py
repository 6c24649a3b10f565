"""Mixtures: vocals over accompaniment, the same for the same seed whoever makes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile

from wavesep.data import Clips, MixGenerator
from wavesep.data.production import Production
from wavesep.errors import AudioError

from .mixing import PLAIN, RATE, generator


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clips, Clips]:
    """Vocals that are positive on the left alone, accompaniment on the right; two songs aligned."""
    folder = tmp_path_factory.mktemp("stems")
    rng = np.random.default_rng(0)
    for kind, side, names in (("vocals", 0, "abcd"), ("accompaniment", 1, "cdef")):
        (folder / kind).mkdir()
        for name in names:
            audio = np.zeros((3 * RATE, 2))
            audio[:, side] = 0.1 + 0.8 * np.arange(3 * RATE) / (3 * RATE) + 0.01 * rng.random()
            soundfile.write(folder / kind / f"{name}.wav", audio, RATE, subtype="FLOAT")
    return Clips(folder / "vocals"), Clips(folder / "accompaniment")


def test_a_mixture_is_its_target_and_the_accompaniment(stems: tuple[Clips, Clips]) -> None:
    mixes = generator(stems, augmentation=PLAIN)

    mixtures, targets = mixes[2]

    assert mixtures.shape == (3, 750, 2)
    assert targets.shape == (3, 600, 2)
    assert mixtures.dtype == targets.dtype == np.float32
    # PLAIN still swaps channels and flips polarity; vocals are those of one side
    for mixture, target in zip(mixtures, targets, strict=True):
        rest = mixture[100:700] - target
        assert target.any()
        assert rest.any()
        side = int(np.abs(target).sum(axis=0).argmax())
        assert not target[:, 1 - side].any()
        assert abs(np.ptp(np.diff(np.abs(target[:, side])))) < 1e-5


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_same_seed_gives_the_same_batches(stems: tuple[Clips, Clips], workers: int) -> None:
    one, other = generator(stems, seed=7), generator(stems, seed=7, workers=workers)
    for epoch in (0, 3):
        one.epoch = other.epoch = epoch
        expected = [one[i] for i in range(4)]
        for i in (0, 1, 2, 3, 1, 3, 0):  # in any order
            for mine, theirs in zip(other[i], expected[i], strict=True):
                np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("rows", [range(1), range(1, 3), range(3)])
def test_rows_are_those_of_the_whole_batch(stems: tuple[Clips, Clips], rows: range) -> None:
    whole, mixes = generator(stems, seed=7), generator(stems, seed=7)
    assert len(mixes[0][0]) == 3  # prepares the next batch with all rows
    mixes.rows = rows
    for index in (1, 2, 0):
        for mine, all_rows in zip(mixes[index], whole[index], strict=True):
            np.testing.assert_array_equal(mine, all_rows[rows.start : rows.stop])


def test_seeds_epochs_batches_and_examples_differ(stems: tuple[Clips, Clips]) -> None:
    seen = set()
    for seed in (0, 1):
        for epoch in (0, 1):
            mixes = generator(stems, seed=seed)
            mixes.epoch = epoch
            seen |= {mixture.tobytes() for i in range(4) for mixture in mixes[i][0]}

    assert len(seen) == 2 * 2 * 4 * 3


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_aligned_pairs_is_that_set(stems: tuple[Clips, Clips], share: float) -> None:
    mixes = generator(stems, augmentation=PLAIN, aligned_share=share)

    aligned = 0
    for k in range(200):
        mixture, target = mixes.example(0, 0, k)
        vocals, rest = np.abs(target).max(axis=1), np.abs(mixture[100:700] - target).max(axis=1)
        # both are ramps over the song, so equal places have nearly equal values
        aligned += bool(np.abs(vocals - rest).max() < 0.02)

    assert aligned / 200 == pytest.approx(share, abs=0.12)


def test_the_two_of_one_song_are_played_alike_and_others_apart(stems: tuple[Clips, Clips]) -> None:
    slopes: dict[float, set[bool]] = {}
    for share in (0.0, 1.0):
        mixes = generator(stems, augmentation=replace(PLAIN, speed=(0.5, 2.0)), aligned_share=share)
        for k in range(10):
            mixture, target = mixes.example(0, 0, k)
            rest = mixture[100:700] - target
            # stems are ramps, so their slope is their speed
            rise = [np.median(np.diff(np.abs(a).max(axis=1))) for a in (target, rest)]
            slopes.setdefault(share, set()).add(bool(abs(rise[0] / rise[1] - 1) < 0.02))

    assert slopes == {0.0: {False}, 1.0: {True}}


def test_vocals_are_drawn_until_they_are_sung(tmp_path: Path) -> None:
    for kind in ("vocals", "accompaniment"):
        (tmp_path / kind).mkdir()
        audio = np.full(20 * RATE, 0.3)
        audio[: 16 * RATE] = 0 if kind == "vocals" else 0.3  # sung in the last fifth
        soundfile.write(tmp_path / kind / "song.wav", audio, RATE, subtype="FLOAT")
    clips = Clips(tmp_path / "vocals"), Clips(tmp_path / "accompaniment")

    sung = {}
    for share in (0.0, 0.7):
        mixes = generator(clips, augmentation=PLAIN, sung_share=share, samples=RATE)
        targets = [mixes.example(0, 0, k)[1] for k in range(100)]
        sung[share] = np.mean([(np.abs(target) > 0.1).mean() >= 0.69 for target in targets])

    assert sung[0.0] == pytest.approx(0.19, abs=0.1)
    # all eight places silent: 0.81 ** 8
    assert sung[0.7] == pytest.approx(0.81, abs=0.1)


def test_without_pairs_none_is_aligned(stems: tuple[Clips, Clips]) -> None:
    vocals = Clips(stems[0].folder, names="ab")

    mixes = generator((vocals, stems[1]), aligned_share=1.0)

    assert mixes.aligned_share == 0
    assert mixes[0][0].any()


def test_a_clip_shorter_than_the_snippet_lies_somewhere_in_it(stems: tuple[Clips, Clips]) -> None:
    mixes = generator(stems, samples=4 * RATE, augmentation=PLAIN)

    starts = set()
    for k in range(5):
        _, target = mixes.example(0, 0, k)
        sung = np.flatnonzero(target.any(axis=1))
        assert np.all(np.diff(sung) == 1)
        assert len(sung) >= 3 * RATE - 150
        starts.add(int(sung[0]))
    assert len(starts) > 1


@pytest.mark.parametrize(
    ("changes", "silent"),
    [({"mute_vocals": 1.0}, "vocals"), ({"mute_accompaniment": 1.0}, "accompaniment")],
)
def test_stems_can_be_muted(
    stems: tuple[Clips, Clips], changes: dict[str, float], silent: str
) -> None:
    mixes = generator(stems, augmentation=replace(PLAIN, **changes))  # type: ignore[arg-type]

    mixtures, targets = mixes[0]

    rest = mixtures[:, 100:700] - targets
    assert targets.any() == (silent != "vocals")
    assert rest.any() == (silent != "accompaniment")


def test_noise_belongs_to_the_accompaniment(stems: tuple[Clips, Clips]) -> None:
    noisy = replace(PLAIN, noise=1.0, noise_db=(-30.0, -30.0), mute_vocals=1.0)
    still = replace(PLAIN, mute_vocals=1.0)

    with_noise, target = generator(stems, augmentation=noisy).example(0, 0, 0)
    without, _ = generator(stems, augmentation=still).example(0, 0, 0)

    assert not target.any()
    level = 20 * np.log10(np.std(with_noise - without))
    assert level == pytest.approx(-30, abs=0.5)


def test_keras_draws_each_batch_of_each_epoch_once_and_in_order(
    stems: tuple[Clips, Clips],
) -> None:
    mixes = generator(stems, workers=2)
    drawn: list[tuple[int, int]] = []

    class Note(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            mixes.epoch = epoch

    class Recorder(MixGenerator):
        def __getitem__(self, index: int) -> Any:
            drawn.append((self.epoch, index))
            return super().__getitem__(index)

    mixes.__class__ = Recorder
    network = keras.Sequential([keras.layers.Cropping1D((100, 50)), keras.layers.Conv1D(2, 1)])
    network.compile("adam", "mae")
    network.fit(mixes, epochs=3, shuffle=False, verbose=0, callbacks=[Note()])

    # what Keras draws before the first epoch, to learn the shapes, is of epoch 0 as well
    order = list(dict.fromkeys(drawn))
    assert order == [(epoch, index) for epoch in range(3) for index in range(4)]


def test_it_says_how_fast_it_is(stems: tuple[Clips, Clips]) -> None:
    assert generator(stems).snippets_per_second(seconds=0.2) > 10


def test_the_produced_voice_is_the_target(stems: tuple[Clips, Clips]) -> None:
    production = Production(share=1, saturate=1, others=0, backing_reverb=0)
    mixes = generator(stems, augmentation=PLAIN, production=production, sung_share=0)

    mixtures, targets = mixes[0]

    for mixture, target in zip(mixtures, targets, strict=True):
        rest = mixture[100:700] - target
        # vocals are on one side and the accompaniment, a ramp, is on the other
        side = int(np.abs(rest).max(axis=0).argmax())
        np.testing.assert_allclose(rest[:, 1 - side], 0, atol=1e-6)
        np.testing.assert_allclose(np.diff(rest[:, side], n=2), 0, atol=1e-4)
        assert np.abs(np.diff(target, n=2, axis=0)).max() > 1e-3


def test_other_singers_belong_to_the_vocals(stems: tuple[Clips, Clips]) -> None:
    alone = Production(share=0, others=0, backing_reverb=0)
    together = replace(alone, others=1, others_db=(0, 0))

    targets = [
        generator(stems, augmentation=PLAIN, production=p, sung_share=0)[0][1]
        for p in (alone, together)
    ]

    loudness = [np.abs(target).max(axis=(1, 2)) for target in targets]
    assert (loudness[1] > 1.3 * loudness[0]).all()


def test_produced_mixtures_are_the_same_with_any_workers(stems: tuple[Clips, Clips]) -> None:
    one, three = (
        generator(stems, production=Production(share=1), workers=workers) for workers in (1, 3)
    )

    for i in (2, 0):
        np.testing.assert_array_equal(one[i][0], three[i][0])
        np.testing.assert_array_equal(one[i][1], three[i][1])
    assert one.settings() != generator(stems).settings()


def test_real_clips(shared: Path) -> None:
    vocals = Clips(shared / "mir1k" / "valid" / "vocals")
    accompaniment = Clips(shared / "mir1k" / "valid" / "accompaniment")

    mixes = generator((vocals, accompaniment), sample_rate=44_100, aligned_share=1.0)
    mixtures, targets = mixes[0]

    assert len(mixes.pairs) == len(vocals) == 84
    assert np.isfinite(mixtures).all()
    assert targets.any()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs; one has vocals that are no numbers in their second half, and is longer."""
    folder = tmp_path_factory.mktemp("damaged")
    rng = np.random.default_rng(0)
    for kind in ("vocals", "accompaniment"):
        (folder / kind).mkdir()
        for name, seconds in (("good", 2), ("half", 6)):
            audio = rng.uniform(-0.3, 0.3, (seconds * RATE, 2))
            if (kind, name) == ("vocals", "half"):
                audio[3 * RATE :] = np.nan
            soundfile.write(folder / kind / f"{name}.wav", audio, RATE, subtype="FLOAT")
    return folder


@pytest.mark.parametrize("in_memory", [False, True])
def test_damage_never_reaches_a_batch_nor_changes_another(
    damaged: Path, in_memory: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def make(workers: int) -> MixGenerator:
        stems = tuple(Clips(damaged / k, in_memory=in_memory) for k in ("vocals", "accompaniment"))
        return generator(stems, production=Production(others=1), workers=workers, seed=4)

    mixes, again = make(1), make(3)
    batches = [mixes[i] for i in range(4)]

    assert len(caplog.records) == 1
    for mixtures, targets in batches:
        assert np.isfinite(mixtures).all()
        assert np.isfinite(targets).all()
        assert mixtures.any(axis=(1, 2)).all()
    # in another order, by several threads: the same
    for i in (3, 0, 2, 1):
        for one, other in zip(again[i], batches[i], strict=True):
            np.testing.assert_array_equal(one, other)


def test_where_nothing_can_be_read_training_says_so(damaged: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full((RATE, 2), np.nan), RATE, subtype="FLOAT")
    mixes = generator((Clips(tmp_path), Clips(damaged / "accompaniment")), aligned_share=1)

    with pytest.raises(AudioError, match=r"no file of .* can be read"):
        mixes[0]
