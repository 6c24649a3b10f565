"""A manifest says what its files are; what it says wrong is told."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep.data import Clips, clips
from wavesep.data.manifest import MANIFEST, Entry, read_manifest, write_manifest
from wavesep.errors import AudioError

ENTRY = Entry(
    path="train/vocals/Ä, «b».wav", stem="vocals", source="a, b", licence='"free"',
    seconds=1_001 / 3_000, sample_rate=3_000, channels=2, peak=0.5, loudness=-math.inf,
    sha256="0" * 64,
)  # fmt: skip


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A prepared set of one file."""
    path = tmp_path / ENTRY.path
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.full((1_001, 2), 0.5), 3_000)
    write_manifest(tmp_path, [ENTRY])
    return tmp_path


def test_what_is_written_is_read(prepared: Path) -> None:
    assert read_manifest(prepared) == [ENTRY]
    assert {path.name for path in prepared.iterdir()} == {"train", MANIFEST}


def test_it_spares_opening_the_files(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "audio_info", None)

    found = Clips(prepared / "train" / "vocals")

    assert found.names == ["Ä, «b»"]
    assert found.seconds[0] * 3_000 == pytest.approx(1_001)
    np.testing.assert_allclose(found.read(0, 0, 1_001, 3_000, 2), 0.5, atol=1e-4)


def test_files_that_it_does_not_know_are_opened(prepared: Path) -> None:
    soundfile.write(prepared / "train" / "vocals" / "new.wav", np.zeros(500), 1_000)

    found = Clips(prepared / "train" / "vocals")

    assert dict(zip(found.names, found.seconds, strict=True))["new"] == 0.5


def test_a_missing_file_is_named(prepared: Path) -> None:
    (prepared / ENTRY.path).unlink()

    with pytest.raises(AudioError, match=r"names .*Ä, «b»\.wav, which is not there"):
        Clips(prepared / "train")


@pytest.mark.parametrize("text", ["", "path,stem\na,b\n"])
def test_a_damaged_one_is_told(prepared: Path, text: str) -> None:
    rows = (prepared / MANIFEST).read_text(encoding="utf-8").replace("3000", "many")
    (prepared / MANIFEST).write_text(text or rows, encoding="utf-8")

    with pytest.raises(AudioError, match="is damaged"):
        read_manifest(prepared)


def test_a_folder_without_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="prepare it with a script"):
        read_manifest(tmp_path)


def test_a_manifest_whose_stem_is_called_kind_is_read(tmp_path: Path) -> None:
    write_manifest(tmp_path, [ENTRY])
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",stem,", ",kind,"), encoding="utf-8")

    assert read_manifest(tmp_path) == [ENTRY]
