"""Catalogues whose processes are killed at random moments; all of it is slow."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep import Separator

from .conftest import RATE

pytestmark = pytest.mark.slow

SONGS, KILLS = 200, 10
MODEL = "vocals"
ENGINES = {"local": [], "ray": ["--engine", "ray"]}


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 songs of 1 to 3 s: ten without sound, one cut short, two the same."""
    top = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    for n in range(SONGS):
        path = top / f"{n:03}.wav"
        if n % 20 == 7:
            path.write_text("no sound")
        else:
            length = int(rng.integers(RATE, 3 * RATE))
            soundfile.write(path, rng.uniform(-0.1, 0.1, (length, 2)), RATE)
    whole = (top / "003.wav").read_bytes()
    (top / "004.wav").write_bytes(whole[: len(whole) // 2])
    (top / "005.wav").write_bytes(whole)
    return top


@pytest.fixture(scope="module")
def wanted(music: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The hashes of the stems of each good song."""
    separator = Separator(MODEL, threads=1)
    out = tmp_path_factory.mktemp("wanted")
    hashes = {}
    for path in sorted(music.iterdir()):
        if int(path.stem) % 20 == 7 or path.stem == "004":
            continue
        files = separator.separate_to_file(path, out, codec="flac")
        hashes[path.name] = {sha256(file) for file in files.values()}
    return hashes


def sha256(path: Path) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def descendants(process: int) -> Iterator[int]:
    """Yield a process and all that it has started."""
    yield process
    children = Path(f"/proc/{process}/task/{process}/children")
    try:
        for child in children.read_text().split():
            yield from descendants(int(child))
    except OSError:
        return


def kill_one(process: int, dice: random.Random) -> None:
    """Kill a random one of a process and all that it has started."""
    found = list(descendants(process))
    with suppress(ProcessLookupError):
        os.kill(dice.choice(found), signal.SIGKILL)


def wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of a process for a while; return whether it has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


@pytest.mark.parametrize("engine", ENGINES)
def test_kills_lose_nothing_and_make_nothing_twice(
    music: Path, wanted: dict[str, set[str]], tmp_path: Path, engine: str
) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "wavesep", "catalogue", str(music), "--out", str(out), "--flac",
        "--model", MODEL, "--workers", "2", *ENGINES[engine],
    ]  # fmt: skip
    dice = random.Random(0)
    kills = 0
    for _ in range(10 * KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        begin = time.monotonic()
        while kills < KILLS and not wait(process, dice.uniform(5, 15)):
            kill_one(process.pid, dice)
            kills += 1
        _, told = process.communicate(timeout=900)
        print(f"{engine}: ended after {time.monotonic() - begin:.0f} s ({process.returncode})")
        print(told.decode()[-500:])
        if len(done_of(out)) + len(failed_of(out)) == SONGS:
            break

    done = done_of(out)
    assert done.keys() == wanted.keys()
    for name, stems in done.items():
        assert {sha256(out / stem["file"]) for stem in stems.values()} == wanted[name]
    assert failed_of(out) == {f"{n:03}.wav" for n in range(SONGS)} - wanted.keys()
    assert kills == KILLS


def done_of(out: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Return the stems of the songs that are done."""
    markers = [json.loads(path.read_text()) for path in out.glob("done/*/*.json")]
    assert len({marker["id"] for marker in markers}) == len(markers)
    return {marker["id"]: marker["stems"] for marker in markers}


def failed_of(out: Path) -> set[str]:
    """Return the songs that failed for good."""
    return {json.loads(path.read_text())["id"] for path in out.glob("failed/*/*.final.json")}


def test_two_catalogues_share_an_output(
    music: Path, wanted: dict[str, set[str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "wavesep", "catalogue", str(music), "--out", str(out), "--flac",
        "--model", MODEL, "--workers", "1",
    ]  # fmt: skip
    pair = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]

    assert [process.wait(900) for process in pair] == [1, 1]

    done = done_of(out)
    assert done.keys() == wanted.keys()
    for name, stems in done.items():
        assert {sha256(out / stem["file"]) for stem in stems.values()} == wanted[name]


def test_a_million_markers_are_read_in_a_minute(tmp_path: Path) -> None:
    from wavesep.catalogue.manifest import Song, find_songs, write_manifest
    from wavesep.catalogue.run import work_left
    from wavesep.catalogue.store import Store, done_file

    out = tmp_path / "out"
    songs = [Song(f"song {n}", f"s3://songs/{n}.mp3", str(n), n) for n in range(1_000_000)]
    manifest = str(tmp_path / "songs.parquet")
    write_manifest(songs, manifest)
    for prefix in range(256):
        (out / f"done/{prefix:02x}").mkdir(parents=True)
    for song in songs:
        os.close(os.open(out / done_file(song.name), os.O_CREAT))
    begin = time.monotonic()

    work = work_left(find_songs(manifest), Store(str(out)))

    spent = time.monotonic() - begin
    print(f"{spent:.1f} s")
    assert (work.done, work.left) == (1_000_000, [])
    assert spent < 60
