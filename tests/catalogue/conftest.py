"""Songs, outputs and a model that loads in no time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from wavesep import Separator
from wavesep.catalogue.job import Job

MODEL = "centre"  # a rule
RATE = 22_050


@pytest.fixture(scope="session")
def job() -> Job:
    """The settings of all catalogues here."""
    return Job(model=MODEL, codec="flac").resolved(None)


@pytest.fixture(scope="session")
def centre() -> Separator:
    """What a worker makes of these settings."""
    return Separator(MODEL, precision="float32")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """See `write_music`."""
    return write_music(tmp_path / "music")


def write_music(top: Path) -> Path:
    """Write four songs, two of them the same, one cut short, a file without sound, and no songs."""
    (top / "cd").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.wav", "b.flac", "cd/c.wav"):
        soundfile.write(top / name, rng.uniform(-0.1, 0.1, (9_000, 2)), RATE)
    (top / "cd/a again.wav").write_bytes((top / "a.wav").read_bytes())
    (top / "cut.wav").write_bytes((top / "cd/c.wav").read_bytes()[:20_000])
    (top / "bad.mp3").write_text("no sound")
    (top / "cover.jpg").write_text("no song")
    (top / ".hidden.wav").write_text("no song")
    return top


@pytest.fixture
def memory() -> Iterator[str]:
    """The URL of an output in memory, which is no folder of this machine."""
    fs = fsspec.filesystem("memory")
    yield "memory://out"
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
