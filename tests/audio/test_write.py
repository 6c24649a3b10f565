"""Writing: whole or not at all, in every format, and the stems add up."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from wavesep.audio import Audio
from wavesep.audio import write as write_module
from wavesep.audio.write import StemFormat, open_stems, quantise
from wavesep.errors import DiskFullError, OptionError, OutputError, OutputExistsError

RATE = 44_100
FORMATS = [
    ("wav", 16),
    ("wav", 24),
    ("wav", 32),
    ("flac", 16),
    ("flac", 24),
    ("mp3", 16),
    ("mp3", 32),
]


@pytest.fixture
def stems(rng: np.random.Generator) -> dict[str, Audio]:
    """Two seconds of two stems, a sample more than a round number."""
    noise = rng.uniform(-0.4, 0.4, (2, 2 * RATE + 1, 2)).astype(np.float32)
    return {"vocals": noise[0], "accompaniment": noise[1]}


def write(
    folder: Path, stems: dict[str, Audio], codec: str, bits: int, overwrite: bool = False
) -> None:
    paths = {name: folder / f"{name}.{codec}" for name in stems}
    form = StemFormat(codec, bits, RATE, 2)
    samples = len(stems["vocals"])
    with open_stems(paths, form, samples=samples, overwrite=overwrite) as writer:
        for start in range(0, samples, 10_007):
            writer.write({name: stem[start : start + 10_007] for name, stem in stems.items()})


@pytest.mark.parametrize(("codec", "bits"), FORMATS)
def test_what_is_written_can_be_read(
    stems: dict[str, Audio], tmp_path: Path, codec: str, bits: int
) -> None:
    write(tmp_path / "new" / "folder", stems, codec, bits)

    files = sorted((tmp_path / "new" / "folder").iterdir())
    assert [file.name for file in files] == [f"accompaniment.{codec}", f"vocals.{codec}"]
    for file in files:
        audio, rate = soundfile.read(file, dtype="float32")
        assert rate == RATE
        assert audio.shape == stems[file.stem].shape
        error = np.sqrt(np.mean((audio - stems[file.stem]) ** 2))
        assert error <= {32: 0, 24: 2**-23, 16: 2**-15}[bits] + (0.1 if codec == "mp3" else 0)


@pytest.mark.parametrize(("codec", "bits"), FORMATS)
def test_one_gain_for_all_where_one_would_clip(
    stems: dict[str, Audio], tmp_path: Path, codec: str, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    stems["vocals"] = 4 * stems["vocals"]

    with caplog.at_level(logging.WARNING):
        write(tmp_path, stems, codec, bits)

    # floats do not clip, but an mp3 that is made of them does
    gain = 1.0 if (codec, bits) == ("wav", 32) else 1 / np.abs(stems["vocals"]).max()
    assert ("turned down by 4.1 dB" in caplog.text) == (gain != 1)
    for name, stem in stems.items():
        audio, _ = soundfile.read(tmp_path / f"{name}.{codec}")
        written = np.sum(audio * stem) / np.sum(stem**2)
        assert written == pytest.approx(gain, rel=0.15 if codec == "mp3" else 1e-3)


@given(
    bits=st.sampled_from([16, 24]),
    count=st.integers(2, 5),
    seed=st.integers(0, 1_000),
)
def test_rounded_stems_add_up_to_the_rounded_mixture(bits: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 2 ** (bits - 1)
    mixture = (rng.integers(-scale // 8, scale // 8, (200, 2)) / scale).astype(np.float32)
    targets = [rng.uniform(-0.2, 0.2, mixture.shape).astype(np.float32) for _ in range(count - 1)]
    stems = [*targets, mixture - sum(targets)]

    whole = quantise(stems, bits)

    total = sum(stem.astype(np.int64) for stem in whole) >> (8 if bits == 24 else 0)
    # the float32 stems themselves add up to a mixture of 24 bits only to within their rounding
    wrong = np.abs(total - mixture.astype(np.float64) * scale).max()
    assert wrong <= (0 if bits == 16 else count)


def growing(folder: Path) -> list[str]:
    """Return the names of the files that grow in a folder, where there is nothing else."""
    (place,) = folder.iterdir()
    assert place.name.startswith(".wavesep-unfinished-")
    return sorted(path.name for path in place.iterdir() if path.suffix in {".wav", ".whole"})


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_half_written_is_left(
    stems: dict[str, Audio], tmp_path: Path, error: type[BaseException]
) -> None:
    paths = {name: tmp_path / "a" / "b" / f"{name}.wav" for name in stems}

    def interrupted() -> None:
        with open_stems(paths, StemFormat("wav", 16, RATE, 2), samples=9) as writer:
            writer.write(stems)
            assert growing(tmp_path / "a" / "b") == ["accompaniment.wav", "vocals.wav"]
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_an_interruption_at_the_very_end(
    stems: dict[str, Audio], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        assert len(growing(tmp_path)) == 4
        raise KeyboardInterrupt

    monkeypatch.setattr(write_module, "quantise", interrupt)

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, stems, "flac", 16)
    assert list(tmp_path.iterdir()) == []


def test_a_growing_stem_can_be_played(stems: dict[str, Audio], tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.wav" for name in stems}
    with open_stems(paths, StemFormat("wav", 16, RATE, 2), samples=3 * RATE) as writer:
        writer.write(stems)
        (place,) = tmp_path.glob(".wavesep-unfinished-*")
        with av.open(str(place / "vocals.wav")) as container:
            heard = [frame.to_ndarray() for frame in container.decode(audio=0)]
        assert not paths["vocals"].exists()

    samples = np.concatenate([h.reshape(-1, 2) for h in heard])
    np.testing.assert_array_equal(samples, stems["vocals"])


def test_a_file_that_exists_is_kept_unless_told(stems: dict[str, Audio], tmp_path: Path) -> None:
    old = tmp_path / "vocals.wav"
    old.write_text("mine")

    with pytest.raises(OutputExistsError, match=r"vocals\.wav exists"):
        write(tmp_path, stems, "wav", 16)
    assert old.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [old]

    write(tmp_path, stems, "wav", 16, overwrite=True)
    assert soundfile.info(old).frames == len(stems["vocals"])


def test_songs_at_a_time_may_make_the_same_folder(stems: dict[str, Audio], tmp_path: Path) -> None:
    start = threading.Barrier(8)
    short = {name: stem[:1_000] for name, stem in stems.items()}

    def one(round_: int, song: int) -> None:
        start.wait()
        write(tmp_path / f"{round_}" / "new" / f"song {song}", short, "wav", 16)

    with ThreadPoolExecutor(8) as pool:
        for round_ in range(20):
            list(pool.map(one, [round_] * 8, range(8)))

    assert len(list(tmp_path.rglob("vocals.wav"))) == 160


def test_a_folder_that_cannot_be_made(stems: dict[str, Audio], tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="cannot be made"):
        write(tmp_path / "file" / "song", stems, "wav", 16)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_target_that_is_a_folder_is_refused_before_anything_is_written(
    stems: dict[str, Audio], tmp_path: Path, overwrite: bool
) -> None:
    (tmp_path / "accompaniment.wav" / "mine").mkdir(parents=True)
    (tmp_path / "vocals.wav").write_text("old")

    with pytest.raises(OutputError):
        write(tmp_path, stems, "wav", 16, overwrite=overwrite)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accompaniment.wav", "vocals.wav"]
    assert (tmp_path / "vocals.wav").read_text() == "old"


@pytest.mark.parametrize("name", ["vocals.wav", "accompaniment.wav"])
@pytest.mark.parametrize("appears", ["file", "folder", "link"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_appears_meanwhile_is_kept(
    stems: dict[str, Audio], tmp_path: Path, name: str, appears: str, overwrite: bool
) -> None:
    paths = {stem: tmp_path / "o" / f"{stem}.wav" for stem in stems}
    target, elsewhere = tmp_path / "o" / name, tmp_path / "elsewhere"
    elsewhere.write_text("theirs")

    def run() -> None:
        form = StemFormat("wav", 16, RATE, 2)
        with open_stems(paths, form, samples=9, overwrite=overwrite) as writer:
            writer.write(stems)
            if appears == "file":
                target.write_text("theirs")
            elif appears == "folder":
                (target / "inner").mkdir(parents=True)
            else:
                target.symlink_to(elsewhere)

    if overwrite and appears != "folder":
        run()
        assert sorted(path.name for path in target.parent.iterdir()) == sorted(
            path.name for path in paths.values()
        )
        assert not target.is_symlink()
        assert all(soundfile.info(path).frames == 88_201 for path in paths.values())
    else:
        with pytest.raises(OutputError if appears == "folder" else OutputExistsError):
            run()
        assert [path.name for path in target.parent.iterdir()] == [name]
        assert target.is_dir() or target.read_text() == "theirs"
    assert elsewhere.read_text() == "theirs"


def test_files_that_look_like_old_temporary_ones_are_left_alone(
    stems: dict[str, Audio], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    foreign = ["vocals.part.wav", "accompaniment.wav.part", ".vocals.wav.part"]
    for name in foreign:
        (tmp_path / name).symlink_to(elsewhere)

    write(tmp_path, stems, "wav", 16)

    assert elsewhere.read_text() == "theirs"
    assert {path.name for path in tmp_path.iterdir()} == {
        "elsewhere", "vocals.wav", "accompaniment.wav", *foreign
    }  # fmt: skip


def test_names_need_not_be_utf_8(stems: dict[str, Audio], tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")

    write(folder, stems, "flac", 16)

    assert {os.fsencode(path.name) for path in folder.iterdir()} == {
        b"vocals.flac", b"accompaniment.flac"
    }  # fmt: skip
    assert b"caf\xe9" in os.listdir(os.fsencode(tmp_path))


def test_two_runs_at_once_mix_nothing(tmp_path: Path) -> None:
    form = StemFormat("wav", 32, RATE, 2)
    start = threading.Barrier(4)
    paths = {stem: tmp_path / f"{stem}.wav" for stem in ("vocals", "accompaniment")}

    def one(number: int) -> None:
        start.wait()
        for _ in range(10):
            with open_stems(paths, form, samples=0, overwrite=True) as writer:
                for _ in range(3):
                    writer.write({stem: np.full((999, 2), number, np.float32) for stem in paths})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(1, 5)))

    heard = [soundfile.read(path)[0] for path in paths.values()]
    assert np.unique(heard).size == 1
    assert {path.name for path in tmp_path.iterdir()} == {"vocals.wav", "accompaniment.wav"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(stems: dict[str, Audio], tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(OutputError, match="cannot be"):
        write(tmp_path, stems, "wav", 16)


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from wavesep.audio.write import StemFormat, open_stems
from wavesep.errors import DiskFullError

# the limit on a file's size stands for a full disk: both make a write come out short
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
noise = np.random.default_rng(0).uniform(-0.5, 0.5, (44_100, 2)).astype(np.float32)
try:
    codec = sys.argv[3]
    paths = {"vocals": Path(sys.argv[1]) / "x" / f"vocals.{codec}"}
    with open_stems(paths, StemFormat(codec, 24, 44_100, 2), samples=1) as writer:
        for _ in range(10):
            writer.write({"vocals": noise})
except DiskFullError as error:
    print(error)
"""


# the float file alone takes 3.5 MB
@pytest.mark.parametrize("codec", ["flac", "wav", "mp3"])
@pytest.mark.parametrize("limit", [100, 1_000_000, 3_500_000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, limit: int, codec: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path, str(limit), codec],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "could not be written in full: it is too large" in answer.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("size", ["1k", "100k", "3000k", "5000k"])
def test_only_a_full_disk_is_called_full(
    stems: dict[str, Audio], tmp_path: Path, size: str
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        long = {name: np.tile(stem, (4, 1)) for name, stem in stems.items()}
        with pytest.raises(DiskFullError, match="is the disk full"):
            write(tmp_path / "x", long, "mp3", 16)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (errno.ENOSPC, DiskFullError, "in full: is the disk full"),
        (errno.EDQUOT, DiskFullError, "in full: is the disk full"),
        (errno.EIO, OutputError, "cannot be written: Input/output error"),
        (errno.EROFS, OutputError, "cannot be written: Read-only"),
    ],
)
def test_what_the_system_says_is_said(
    stems: dict[str, Audio],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    error: type[OutputError],
    message: str,
) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", fail)

    with pytest.raises(error, match=message) as caught:
        write(tmp_path / "x", stems, "wav", 16)
    assert caught.type is error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("codec", "bits", "rate", "channels", "message"),
    [
        ("aac", 16, 44_100, 2, "no codec 'aac'"),
        ("wav", 20, 44_100, 2, "20 bits cannot"),
        ("flac", 32, 44_100, 2, "flac holds up to 24 bits and 8 channels, not 32 and 2"),
        ("flac", 16, 44_100, 9, "8 channels"),
        ("mp3", 16, 96_000, 2, "mp3 cannot hold 2 channels at 96000 Hz"),
        ("mp3", 16, 44_100, 6, "mp3 cannot hold 6 channels"),
    ],
)
def test_what_a_codec_cannot_hold_is_refused(
    codec: str, bits: int, rate: int, channels: int, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        StemFormat(codec, bits, rate, channels)
