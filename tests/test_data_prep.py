"""What people have becomes a prepared set; what cannot is told, and nothing else is lost."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile

from wavesep.audio import Audio
from wavesep.data import Clips, pairs
from wavesep.data.manifest import Entry, read_manifest
from wavesep.dsp.demo import demo_song

DATA_PREP = Path(__file__).parents[1] / "data_prep"
RATE = 22_050


def sound(seconds: float, seed: int, channels: int = 2) -> Audio:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.3, 0.3, (round(seconds * RATE), channels)).astype(np.float32)


def write(path: Path, audio: Audio, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # of wav files, floats: they hold what is louder than full scale
    subtype = "FLOAT" if path.suffix == ".wav" else None
    soundfile.write(path, audio, rate, subtype=subtype)
    return path


def run(script: str, *arguments: object, code: int = 0) -> str:
    answer = subprocess.run(
        [sys.executable, str(DATA_PREP / script), *map(str, arguments)],
        capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert answer.returncode == code, answer.stderr
    return answer.stdout + answer.stderr


def by_path(folder: Path) -> dict[str, Entry]:
    return {entry.path: entry for entry in read_manifest(folder)}


def skipped(folder: Path) -> dict[str, str]:
    with (folder / "skipped.csv").open(encoding="utf-8") as file:
        return {row["song"]: row["reason"] for row in csv.DictReader(file)}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Folders as people have them: pairs and others, of several formats, rates and channels."""
    raw = tmp_path / "raw"
    write(raw / "v" / "one.wav", sound(2, 0))
    write(raw / "a" / "one.flac", sound(1.5, 1))
    write(raw / "v" / "Bjo\u0308rk" / "два.mp3", sound(2, 2))  # decomposed, as macOS writes it
    write(raw / "a" / "Bjo\u0308rk" / "два.ogg", sound(2, 3, 1), 44_100)
    write(raw / "v" / "alone.wav", 4 * sound(1, 4))
    write(raw / "a" / "empty.wav", sound(0, 0))
    write(raw / "a" / "silent.wav", 0 * sound(1, 0))
    (raw / "a" / "broken.wav").write_bytes(b"no sound")
    (raw / "a" / "notes.txt").write_text("no sound either")
    return raw


def test_folders(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    arguments = [out, "--vocals", raw / "v", "--accompaniment", raw / "a", "--licence", "CC0, all"]

    printed = run("folders.py", *arguments, "--valid-share", 0, code=1)

    assert skipped(out).keys() == {"empty", "silent", "broken"}
    assert all(f"skipped {name}: " in printed for name in skipped(out))
    assert "accompaniment ends 0.5 s before its song" in printed
    vocals, rest = Clips(out / "train" / "vocals"), Clips(out / "train" / "accompaniment")
    assert vocals.names == ["Bj\u00f6rk/два", "alone", "one"]
    assert [(vocals.names[i], rest.names[j]) for i, j in pairs(vocals, rest)] == [
        ("Bj\u00f6rk/два", "Bj\u00f6rk/два"), ("one", "one"),
    ]  # fmt: skip
    audio, rate = soundfile.read(out / "train/vocals/one.flac", dtype="float32")
    np.testing.assert_allclose(audio, sound(2, 0), atol=1e-4)
    backing, _ = soundfile.read(out / "train/accompaniment/one.flac", dtype="float32")
    np.testing.assert_allclose(backing[: len(sound(1.5, 1))], sound(1.5, 1), atol=1e-4)
    assert not backing[len(sound(1.5, 1)) :].any()
    entry = by_path(out)["train/vocals/one.flac"]
    assert (entry.kind, entry.source, entry.licence) == ("vocals", "v", "CC0, all")
    assert (entry.seconds, entry.sample_rate, entry.channels) == (2.0, RATE, 2)
    assert entry.peak == pytest.approx(np.abs(audio).max(), abs=1e-5)
    assert entry.loudness == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(audio), 0.01)
    content = (out / entry.path).read_bytes()
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    # of a song that is too loud for its format, the level is lost, not the shape
    loud, _ = soundfile.read(out / "train/vocals/alone.flac", dtype="float32")
    np.testing.assert_allclose(loud / np.abs(loud).max(), 4 * sound(1, 4) / 1.2, atol=2e-3)


def test_again_nothing_is_done_twice_and_what_came_is_added(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    arguments = [out, "--vocals", raw / "v", "--valid-share", 0.5]
    run("folders.py", *arguments)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    splits = {Path(path).stem: path.split("/")[0] for path in by_path(out)}
    lost = sorted(before)[0]
    lost.unlink()
    write(raw / "v" / "more.wav", sound(1, 9))

    printed = run("folders.py", *arguments)

    assert "2 songs are there already" in printed
    assert "is in the manifest but not there" in printed
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    assert len(after) == 4
    assert all(after[path] == before[path] for path in before if path != lost)
    assert splits.items() <= {Path(p).stem: p.split("/")[0] for p in by_path(out)}.items()


def test_two_songs_of_one_name(tmp_path: Path) -> None:
    for folder, seconds in (("first", 1), ("second", 2)):
        write(tmp_path / folder / "song.wav", sound(seconds, 0))
    out = tmp_path / "prepared"

    run("folders.py", out, "--vocals", tmp_path / "first", tmp_path / "second", code=1)

    assert skipped(out) == {"song": "there is another song of this name, in first"}
    assert [entry.seconds for entry in read_manifest(out)] == [1.0]


def test_after_ctrl_c_it_goes_on(tmp_path: Path) -> None:
    for i in range(40):
        write(tmp_path / "v" / f"{i}.wav", sound(8, i))
    out = tmp_path / "prepared"
    command = [sys.executable, str(DATA_PREP / "folders.py"), str(out), "--vocals",
               str(tmp_path / "v"), "--jobs", "1"]  # fmt: skip
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(list(out.rglob("*.flac"))) < 2 and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    done = read_manifest(out)

    assert process.returncode == 130
    assert "interrupted; the same command goes on" in errors
    assert "Traceback" not in errors
    assert 1 <= len(done) < 40
    assert not list(out.rglob("*.part*"))
    run("folders.py", out, "--vocals", tmp_path / "v")
    assert {entry.seconds for entry in read_manifest(out)} == {8.0}
    assert len(read_manifest(out)) == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no audio file is in these folders"),
        (["--vocals", "nowhere"], "no folder nowhere"),
        (["--valid-share", "1"], "--valid-share must be"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in run("folders.py", tmp_path / "out", *arguments, code=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["musdb_hq", "musdb18"])
def test_musdb18(kind: str, ffmpeg: None, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    out = tmp_path / "prepared"

    printed = run("musdb18.py", out, request.getfixturevalue(kind))

    assert "6 files" in printed
    entries = by_path(out)
    held_back = "valid/vocals/Actions - One Minute Smile.flac"
    assert {held_back, "train/vocals/Blåbär - Två.flac"} < entries.keys()
    assert entries[held_back].source == "MUSDB18"
    test = out / "test"
    true, _ = soundfile.read(request.getfixturevalue("musdb_hq") / "test/Nobody - Song/vocals.wav")
    audio, rate = soundfile.read(test / "vocals" / "Nobody - Song.flac")
    assert rate == 44_100
    inside = slice(22_050, 66_150)
    np.testing.assert_allclose(
        audio[inside], true[inside], atol=0.05 if kind == "musdb18" else 1e-4
    )
    rest, _ = soundfile.read(test / "accompaniment" / "Nobody - Song.flac")
    mixture, _ = soundfile.read(
        request.getfixturevalue("musdb_hq") / "test/Nobody - Song/mixture.wav"
    )
    np.testing.assert_allclose((audio + rest)[inside], mixture[inside], atol=0.1)


def test_dsd100(tmp_path: Path) -> None:
    dsd100 = tmp_path / "DSD100"
    for i, (subset, name) in enumerate((("Dev", "001 - Ä - B"), ("Test", "002 - C - D"))):
        for j, stem in enumerate(("vocals", "bass", "drums", "other")):
            path = dsd100 / "Sources" / subset / name / f"{stem}.wav"
            write(path, 0.3 * sound(1, 10 * i + j))
    (dsd100 / "Sources" / "Test" / "003 - broken").mkdir()
    out = tmp_path / "prepared"

    run("dsd100.py", out, dsd100, "--valid-share", 0, code=1)

    assert by_path(out).keys() == {
        f"{split}/{kind}/{name}.flac"
        for split, name in (("train", "001 - Ä - B"), ("test", "002 - C - D"))
        for kind in ("vocals", "accompaniment")
    }
    assert skipped(out).keys() == {"003 - broken"}
    rest, _ = soundfile.read(out / "test/accompaniment/002 - C - D.flac")
    expected = sum(0.3 * sound(1, 10 + j) for j in (1, 2, 3))
    np.testing.assert_allclose(rest, expected, atol=1e-4)


class Site(BaseHTTPRequestHandler):
    """A site on this machine that has sound, and answers as sites do: well, badly, slowly."""

    sound = b""
    cut_once: set[str]
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        """Answer a request for one of: good, cut (the first time), always-cut, slow, gone."""
        name = self.path.strip("/").removesuffix(".wav")
        if name not in ("good", "cut", "always-cut", "slow"):
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-.*", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and name == "cut" else 0
        content = self.sound[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Content-Length", str(len(content)))
        if start:
            size = len(self.sound)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        if not body:
            return
        half = content[: len(content) // 2]
        if name == "good" or start:
            self.wfile.write(content)
        elif name == "slow":
            self.wfile.write(half)
            self.wfile.flush()
            self.server.slow.wait(30)  # type: ignore[attr-defined]
        else:
            self.wfile.write(half)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    """The address of a site, and what it was asked for."""
    with io.BytesIO() as file:
        soundfile.write(file, sound(2, 5), RATE, format="WAV")
        content = file.getvalue()
    asked: list[str] = []
    handler = type("OurSite", (Site,), {"sound": content, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.slow = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.05))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.slow.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_download(site: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = site
    out, links = tmp_path / "prepared", tmp_path / "links.csv"
    lines = [
        "url,kind,name,start,end,licence",
        f"{address}/good.wav,vocals,Ä song,0.5,1.5,CC0",
        f"{address}/cut.wav,accompaniment,,,,",
        f"{address}/always-cut.wav,vocals,,,,",
        f"{address}/slow.wav,vocals,,,,",
        f"{address}/gone.wav,vocals,,,,",
    ]
    links.write_text("\n".join(lines), encoding="utf-8")
    arguments = [out, links, "--valid-share", 0, "--timeout", 1]

    printed = run("download.py", *arguments, code=1)

    told = {
        name
        for name in ("always-cut", "slow", "gone")
        if f"failed {address}/{name}.wav: " in printed
    }
    assert told == {"always-cut", "slow", "gone"}, printed
    entries = list(by_path(out).values())
    (vocals,) = [e for e in entries if e.kind == "vocals"]
    (rest,) = [e for e in entries if e.kind == "accompaniment"]
    assert vocals.path == "train/vocals/Ä song 0.5-1.5.flac"
    assert (vocals.source, vocals.licence) == (f"{address}/good.wav", "CC0")
    audio, _ = soundfile.read(out / vocals.path, dtype="float32")
    np.testing.assert_allclose(audio, sound(2, 5)[RATE // 2 : RATE * 3 // 2], atol=1e-4)
    assert (rest.seconds, rest.licence) == (2.0, "not stated")
    with (out / "failed.csv").open(encoding="utf-8") as file:
        failed = {row["url"]: row["reason"] for row in csv.DictReader(file)}
    names = ("always-cut", "slow", "gone")
    assert failed.keys() == {f"{address}/{name}.wav" for name in names}
    assert all(failed.values())
    # again: what is there is not asked for; the list of failures is one to be tried
    del asked[:]
    run("download.py", out, out / "failed.csv", "--timeout", 1, code=1)
    assert asked
    assert not {"/good.wav", "/cut.wav"} & {*asked}
    assert len(by_path(out)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it holds no links"),
        ("url,kind\nhttp://a/b,violin\n", "link 1 has no kind"),
        ("url,kind\na song,vocals\n", "link 1 has no url"),
        ("url,kind,start,end\nhttp://a/b,vocals,3,2\n", "link 1 ends before it starts"),
        ("url,kind,start\nhttp://a/b,vocals,soon\n", "cannot be used"),
    ],
)
def test_a_bad_list_is_told(tmp_path: Path, text: str, message: str) -> None:
    links = tmp_path / "links.csv"
    links.write_text(text)

    assert message in run("download.py", tmp_path / "out", links, code=2)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A set of good and bad files."""
    raw = tmp_path / "raw"
    good = {kind: sound(6, seed) for kind, seed in (("v", 1), ("a", 2))}
    for kind, audio in good.items():
        write(raw / kind / "good.wav", audio)
    write(raw / "v" / "clipped.wav", np.clip(4 * sound(6, 3), -1, 1))
    write(raw / "v" / "off.wav", 0.1 + 0.5 * sound(6, 4))
    write(raw / "v" / "mono.wav", sound(6, 5, 1).repeat(2, axis=1))
    write(raw / "a" / "quiet.wav", 0.01 * sound(6, 6))
    nearly = np.zeros((6 * RATE, 2), np.float32)
    nearly[: RATE // 4] = sound(0.25, 7)
    write(raw / "a" / "nearly silent.wav", nearly)
    write(raw / "a" / "rate.wav", sound(6, 8), 32_000)
    write(raw / "a" / "twin.wav", 0.5 * good["v"][1_000:] + 0.01 * sound(6, 10)[1_000:])
    spectrum = np.fft.rfft(sound(6, 9), axis=0)
    spectrum[6 * 7_000 :] = 0
    write(raw / "a" / "shelf.wav", np.fft.irfft(spectrum, axis=0).astype(np.float32))
    out = tmp_path / "prepared"
    run("folders.py", out, "--vocals", raw / "v", "--accompaniment", raw / "a", "--valid-share", 0)
    return out


def test_check(prepared: Path) -> None:
    changed = prepared / "train" / "vocals" / "good.flac"
    valid = prepared / "valid" / "vocals"
    valid.mkdir(parents=True)
    entries = (prepared / "manifest.csv").read_text(encoding="utf-8").splitlines()
    (line,) = [e for e in entries if e.startswith("train/vocals/mono.flac")]
    (valid / "leak.flac").write_bytes((prepared / "train/vocals/mono.flac").read_bytes())
    entries.append(line.replace("train/vocals/mono.flac", "valid/vocals/leak.flac"))
    gone = line.replace("train/vocals/mono.flac", "train/vocals/gone.flac")
    (prepared / "manifest.csv").write_text("\n".join([*entries, gone]) + "\n", encoding="utf-8")

    printed = run("check.py", prepared, "--no-listening", code=1)

    report = json.loads((prepared / "check" / "report.json").read_text(encoding="utf-8"))
    found: dict[str, set[str]] = {}
    for finding in report["findings"]:
        found.setdefault(finding["kind"], set()).add(finding["path"].removeprefix("train/"))
    assert found == {
        "missing": {"vocals/gone.flac"},
        "leaks": {"vocals/mono.flac"},
        "twins": {"accompaniment/twin.flac"},
        "silent": {"accompaniment/nearly silent.flac"},
        "clipped": {"vocals/clipped.flac"},
        "offset": {"vocals/off.flac"},
        "rate": {"accompaniment/rate.flac"},
        "mono": {"vocals/mono.flac", "valid/vocals/leak.flac"},
        "bandwidth": {"accompaniment/shelf.flac"},
        "level": {"accompaniment/quiet.flac"},
    }
    assert "nothing above 7.0 kHz" in printed
    assert printed.split("\nwritten:")[0] in (prepared / "check" / "report.txt").read_text() + "\n"
    assert (prepared / "check" / "spread.png").read_bytes().startswith(b"\x89PNG")
    changed.write_bytes(b"another file")
    assert "it is not the file that the manifest knows" in run(
        "check.py", prepared, "--no-listening", code=1
    )


def test_check_listens(tmp_path: Path) -> None:
    """What is no voice at all is not taken for one; a copy is known, though it is an MP3."""
    chords = demo_song()[1][: 4 * 44_100]
    write(tmp_path / "raw" / "v" / "chords.wav", chords, 44_100)
    write(tmp_path / "raw" / "a" / "the same.mp3", 0.5 * chords[5_000:], 44_100)
    out = tmp_path / "prepared"
    run("folders.py", out, "--vocals", tmp_path / "raw" / "v", "--accompaniment",
        tmp_path / "raw" / "a", "--valid-share", 0)  # fmt: skip

    printed = run("check.py", out, code=1)

    assert "Acapellas that may hold music: 1" in printed
    assert "The same sound twice: 1" in printed
    assert "Instrumentals that may hold singing" not in printed


def test_a_set_without_a_manifest_is_told(tmp_path: Path) -> None:
    assert "prepare it with a script" in run("check.py", tmp_path, code=2)
