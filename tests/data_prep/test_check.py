"""What would spoil a training is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wavesep.audio import Audio

from . import RATE, run, sound, write


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


def test_check(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr("check.draw", lambda *_: None)
    assert "it is not the file that the manifest knows" in run(
        "check.py", prepared, "--no-listening", code=1
    )


def test_check_listens(
    tmp_path: Path, synthetic_song: tuple[Audio, Audio], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no voice at all is not taken for one; a copy is known, though it is an MP3."""
    chords = synthetic_song[1][: 4 * 44_100]
    write(tmp_path / "raw" / "v" / "chords.wav", chords, 44_100)
    write(tmp_path / "raw" / "a" / "the same.mp3", 0.5 * chords[5_000:], 44_100)
    out = tmp_path / "prepared"
    run("folders.py", out, "--vocals", tmp_path / "raw" / "v", "--accompaniment",
        tmp_path / "raw" / "a", "--valid-share", 0)  # fmt: skip

    monkeypatch.setattr("check.draw", lambda *_: None)
    printed = run("check.py", out, code=1)

    assert "Acapellas that may hold music: 1" in printed
    assert "The same sound twice: 1" in printed
    assert "Instrumentals that may hold singing" not in printed


def test_a_set_without_a_manifest_is_told(tmp_path: Path) -> None:
    assert "prepare it with a script" in run("check.py", tmp_path, code=2)
