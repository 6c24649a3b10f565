"""Memory does not grow with the song."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep.bench.processes import separation_peak


def write_noise(path: Path, minutes: float) -> Path:
    block = np.random.default_rng(0).uniform(-0.1, 0.1, (30 * 48_000, 2))
    with soundfile.SoundFile(path, "w", 48_000, 2, "PCM_16") as file:
        for _ in range(round(2 * minutes)):
            file.write(block)
    return path


@pytest.mark.parametrize(("short", "long"), [(0.5, 2), pytest.param(5, 60, marks=pytest.mark.slow)])
def test_peak_memory_is_within_ten_percent(
    tiny_file: Path, tmp_path: Path, short: float, long: float
) -> None:
    ours = np.ones(50_000_000)  # what this process holds does not count
    peaks = []
    for minutes in (short, long):
        song = write_noise(tmp_path / f"{minutes}.wav", minutes)
        peaks.append(separation_peak(song, tmp_path / "out", str(tiny_file)))

    assert peaks[1] < 1.1 * peaks[0], peaks
    assert peaks[0] < ours.nbytes
