"""The command line as a process: what it writes to may fail, and signals may end it at any time."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import soundfile

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.cli import main
from wavesep.cli.faults import reason
from wavesep.errors import AudioError

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")
FULL = Path("/dev/full")


def start(*arguments: object, shell: str = "", **options: object) -> subprocess.Popen[str]:
    """Start the command line in a process of its own, out of a shell that may redirect it."""
    command = [sys.executable, "-m", "wavesep", *map(str, arguments)]
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]


@pytest.fixture
def songs(tmp_path: Path, noise: Audio) -> list[Path]:
    """Two short songs."""
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path in paths:
        soundfile.write(path, 0.1 * noise[:5_000], 44_100)
    return paths


@posix
@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_all_songs_are_done_though_standard_output_is_full(
    songs: list[Path], tiny_file: Path, tmp_path: Path
) -> None:
    process = start(
        "separate", *songs, "--model", tiny_file, "-o", tmp_path / "o", shell=f">{FULL}"
    )
    _, err = process.communicate()

    assert err.strip() == "wavesep: standard output cannot be written: No space left on device"
    assert process.returncode == 1
    assert len([*(tmp_path / "o").glob("?/*.wav")]) == 4


@posix
def test_a_reader_that_leaves_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("info", "--all", stdout=writing)
    os.close(writing)
    _, err = process.communicate()

    assert (process.returncode, err) == (141, "")


@posix
def test_closed_streams_get_into_no_file(
    songs: list[Path], tiny_file: Path, tmp_path: Path, noise: Audio
) -> None:
    missing = tmp_path / "missing.wav"
    process = start(
        "separate", missing, *songs, "--model", tiny_file, "-o", tmp_path / "o",
        shell="<&- >&- 2>&-",
    )  # fmt: skip
    _, err = process.communicate()

    assert (process.returncode, err) == (1, "")
    vocals = Separator(tiny_file).separate(soundfile.read(songs[0])[0], 44_100)["vocals"]
    for song in "ab":
        written, _ = soundfile.read(tmp_path / "o" / song / "vocals.wav")
        assert abs(written - vocals).max() < 1e-4


@posix
def test_names_that_an_encoding_does_not_have_are_escaped(
    songs: list[Path], tiny_file: Path, tmp_path: Path
) -> None:
    names = [songs[0].with_name("Ž.wav"), songs[1].with_name(os.fsdecode(b"caf\xe9.wav"))]
    for song, name in zip(songs, names, strict=True):
        try:
            song.rename(name)
        except OSError:
            pytest.skip("the file system takes names of UTF-8 alone")
    process = start(
        "separate", *names, tmp_path / "Ł.wav", "--model", tiny_file, "-o", tmp_path / "o",
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONIOENCODING": "ascii:strict"},
    )  # fmt: skip
    out, err = process.communicate()

    assert process.returncode == 1
    assert len(out.splitlines()) == 2
    assert r"\u017d.wav" in out
    assert r"caf\udce9.wav" in out
    assert err.strip() == f"wavesep: no file {tmp_path}/\\u0141.wav"
    assert len([*(tmp_path / "o").glob("*/*.wav")]) == 4


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_modules_are_imported_ends_at_once(name: str) -> None:
    number = getattr(signal, name)
    code = (
        "import os, signal, sys\n"
        f"signal.signal({number}, signal.SIG_DFL)\n"
        "class Finder:\n"
        "    def find_spec(self, module, *_):\n"
        f"        for _ in range(4 if module == 'rich' else 0): os.kill(os.getpid(), {number})\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from wavesep.__main__ import run; run()"
    )
    answer = subprocess.run([sys.executable, "-c", code, "info"], capture_output=True, text=True)

    assert (answer.returncode, answer.stdout) == (128 + number, "")
    assert answer.stderr == "wavesep: interrupted\n"


def test_the_command_line_runs_in_a_thread(
    tiny_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["info", str(tiny_file)])))
    thread.start()
    thread.join()

    assert codes == [0]
    assert "sample rate" in capfd.readouterr().out


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_that_nobody_foresaw_is_one_line(
    debug: bool, song: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by \x1b[31m zero\nand more")

    monkeypatch.setattr("wavesep.cli.separate.Separator", fail)
    if debug:
        monkeypatch.setenv("WAVESEP_DEBUG", "1")

    assert main(["separate", str(song), "-o", str(song.parent)]) == 1

    err = capfd.readouterr().err
    assert "\x1b" not in err
    assert err.splitlines()[-1].startswith("wavesep: ZeroDivisionError: by \\x1b[31m zero (a bug")
    assert (len(err.splitlines()) > 1) == ("Traceback" in err) == debug
    assert logging.getLogger("wavesep").level == logging.NOTSET


def test_what_is_said_of_an_error() -> None:
    assert reason(AudioError("no sound\nat all")) == "no sound\nat all"
    assert reason(MemoryError()) == "there is not enough memory"
    assert reason(KeyError("x")).startswith("KeyError: 'x' (a bug in wavesep")
