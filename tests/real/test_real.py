"""The shipped model on real audio, out of ../shared/data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wavesep import Separator, load_model
from wavesep.audio import Audio
from wavesep.audio.read import open_audio, read_audio
from wavesep.evaluation import si_sdr


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator("wavenet")


@pytest.fixture(scope="module")
def song(shared: Path) -> Path:
    return shared / "songs" / "karissa_hobbs_lets_go_fishin.ogg"


@pytest.fixture(scope="module")
def excerpt(song: Path) -> Audio:
    """A second and a bit, of the singing in the song."""
    audio, rate = read_audio(song)
    assert rate == 44_100
    return audio[64 * rate : 65 * rate + 123]


def test_chunks_of_a_real_song_leave_no_trace(excerpt: Audio) -> None:
    network = load_model("wavenet")
    network.run_eagerly = True  # to trace it takes longer
    channels, frame = network.architecture.channels, network.architecture.frame_size
    spare = np.zeros((-len(excerpt) % frame, 2), np.float32)
    songs = np.split(np.concatenate([excerpt, spare])[np.newaxis], 2 // channels, axis=-1)
    whole = network.predict(np.concatenate(songs), verbose=0)
    whole = np.concatenate([*whole], axis=-1)[: len(excerpt)]

    for seconds in (0.25, 0.7):
        separator = Separator("wavenet", chunk_seconds=seconds, precision="float32")
        vocals = separator.separate(excerpt, 44_100)["vocals"]
        np.testing.assert_allclose(vocals, whole, atol=1e-5)


@pytest.mark.slow  # parts of a sound that is made here have a test of their own
def test_a_part_of_a_real_song(separator: Separator, song: Path, tmp_path: Path) -> None:
    paths = separator.separate_to_file(song, tmp_path, start=61.5, duration=3.25, bits=32)
    longer = separator.separate_to_file(song, tmp_path / "x", start=60, duration=6, bits=32)

    for stem, path in paths.items():
        part, around = read_audio(path)[0], read_audio(longer[stem])[0]
        begin = round(61.5 * 44_100) - 60 * 44_100
        assert len(part) == round(3.25 * 44_100)
        np.testing.assert_array_equal(part, around[begin : begin + len(part)])
        assert 10 * np.log10(np.mean(part**2)) > -60


def test_the_shipped_model_is_better_than_nothing_on_unseen_singers(
    separator: Separator, shared: Path
) -> None:
    gains = []
    for path in sorted((shared / "mir1k" / "valid" / "vocals").iterdir())[::42]:
        vocals, rate = read_audio(path)
        accompaniment, _ = read_audio(shared / "mir1k" / "valid" / "accompaniment" / path.name)
        mixture = vocals + accompaniment
        estimate = separator.separate(mixture, rate)["vocals"]
        gains.append(si_sdr(vocals, estimate) - si_sdr(vocals, mixture))

    assert len(gains) == 2
    assert np.mean(gains) > 1


def test_every_real_file_opens(shared: Path) -> None:
    for path in sorted(shared.rglob("*.ogg"))[::100]:
        with open_audio(path) as reader:
            assert sum(len(block) for block in reader.blocks()) == reader.info.samples
