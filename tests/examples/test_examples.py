"""Every example runs, on seconds of generated sound."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep import PRESETS, Separator
from wavesep.bench import limits
from wavesep.export import export_model
from wavesep.models.files import read_model_file
from wavesep.models.wavenet.filterbank import band_filters

from .conftest import EXAMPLES, WEIGHTS, run, run_apart


def test_separate_song(songs: Path, tiny_file: Path, tmp_path: Path) -> None:
    song = songs / "vocals" / "song 1.wav"

    out, _ = run_apart(EXAMPLES / "separate_song.py", song, "--model", tiny_file, cwd=tmp_path)

    assert "vocals: (132300, 2)" in out
    assert soundfile.info(tmp_path / "separated" / "song 1" / "vocals.wav").frames == 132_300


def test_separate_live(songs: Path, tiny_file: Path, tmp_path: Path) -> None:
    song = songs / "vocals" / "song 1.wav"
    options = ["--model", tiny_file, "--stem", "vocals", "--out", "live.wav", "--block", 50]

    out = run(EXAMPLES / "separate_live.py", song, *options, cwd=tmp_path)

    latency = int(re.findall(r"latency: (\d+) samples", out)[0])
    assert "60 blocks of 50 ms, " in out
    live = soundfile.read(tmp_path / "live.wav", dtype="float32")[0]
    mixture, rate = soundfile.read(song, dtype="float32")
    vocals = Separator(tiny_file).separate(mixture, rate)["vocals"]
    assert not live[:latency].any()
    np.testing.assert_allclose(live[latency:], vocals[: len(live) - latency], atol=1e-4)


def test_exported_stream(songs: Path, tiny_file: Path, tmp_path: Path) -> None:
    script, song = EXAMPLES / "exported_stream.py", songs / "vocals" / "song 1.wav"
    export_model(tiny_file, tmp_path / "tiny.onnx", stream=True)

    out = run(script, "tiny.onnx", song, cwd=tmp_path)
    soundfile.write(tmp_path / "low.wav", np.zeros((9, 2)), 8_000)
    told = run(script, "tiny.onnx", "low.wav", cwd=tmp_path, code=2)

    assert "low.wav has 8000 Hz: resample it to 44100 Hz" in told
    mixture, rate = soundfile.read(song, dtype="float32")
    assert f"latency: {Separator(tiny_file).stream(rate).latency} samples" in out
    for name, stem in Separator(tiny_file, precision="float32").separate(mixture, rate).items():
        written = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0]
        np.testing.assert_allclose(written, stem, rtol=0, atol=1e-4)
    imported = re.findall(r"^(?:import|from) (\w+)", script.read_text(), flags=re.MULTILINE)
    assert {*imported} - {*sys.stdlib_module_names} == {"numpy", "onnxruntime", "soundfile"}


@pytest.mark.slow  # MUSDB18, evaluate and museval's scores have tests of their own
def test_evaluate_musdb(ffmpeg: None, musdb18: Path, tiny_file: Path, tmp_path: Path) -> None:
    out = run(EXAMPLES / "evaluate_musdb.py", musdb18, "--model", tiny_file, cwd=tmp_path)

    lines = [line.rsplit(maxsplit=5) for line in out.splitlines()]
    rows = {(line[0], line[1]): line[2:] for line in lines if len(line) == 6}
    assert float(rows["ratio mask", "vocals"][0]) > float(rows["mixture", "vocals"][0])
    stored = tmp_path / "evaluation" / "museval" / "mixture" / "test" / "Nobody - Song.json"
    frames = json.loads(stored.read_text())["targets"][0]["frames"]
    sdr = np.median([float(frame["metrics"]["SDR"]) for frame in frames])
    assert float(rows["mixture", "vocals"][0]) == pytest.approx(sdr, abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["vocals", "nothing"], "wavesep: no folder nothing"),
        (["vocals", "accompaniment", "--start", "vocalz"], "wavesep: no model 'vocalz'"),
        (["vocals", "bad", "--strict"], "wavesep: 1 of 2 files in bad cannot be used: bad/b.wav"),
    ],
)
def test_train_says_in_one_line_what_is_wrong(
    songs: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    for kind in ("vocals", "accompaniment"):
        shutil.copytree(songs / kind, tmp_path / kind)
    (tmp_path / "bad").mkdir()
    shutil.copy(songs / "vocals" / "song 0.wav", tmp_path / "bad")
    (tmp_path / "bad" / "b.wav").write_bytes(b"RIFFxxxx")

    told = run(EXAMPLES / "train.py", *options, "--preset", "mask_cnn", cwd=tmp_path, code=1)

    (line,) = told.splitlines()
    assert line.startswith(message)


SHORT = ["--epochs", 1, "--steps", 2, "--seconds", 0.25, "--batch-size", 2]


def test_train(
    songs: Path, short_measurement: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.SIDES, "cpu", 64)  # what the processor can do is not the subject
    script = EXAMPLES / "train.py"
    arguments = [songs / "vocals", songs / "accompaniment", *SHORT, "--steps", 1]
    card = ["--card", WEIGHTS / "cards" / "wavenet.json"]
    first = tmp_path / "runs" / "first" / "best.safetensors"

    run(script, *arguments, "--preset", "mask_cnn", cwd=tmp_path)  # the quickest to build
    second = ["--start", first, "--freeze", "conv0", "--precision", "bfloat16"]
    run(script, *arguments, *second, "--run", "runs/second", *card, cwd=tmp_path)
    other = ["--preset", "mask_cnn", "--batch-size", 3]
    told = run(script, *arguments, *other, cwd=tmp_path, code=1)

    (line,) = told.splitlines()[-1:]
    assert line.startswith("wavesep: runs/first/checkpoint.safetensors is of a run with ")
    assert line.endswith("=2, not 3: use the settings of that run, or another folder (--run)")
    assert "Traceback" not in told
    before, after = (
        read_model_file(first.parents[1] / n / first.name) for n in ("first", "second")
    )
    assert before.kind == after.kind == "frame_cnn"
    assert before.licence == "not stated" != after.licence
    assert (first.parent / "logs").is_dir()
    changed = {n for n, array in before.arrays.items() if (array != after.arrays[n]).any()}
    assert changed
    assert not any(name.startswith("conv0/") for name in changed)
    for file in (before, after):
        assert all(np.isfinite(array).all() for array in file.arrays.values())


@pytest.mark.slow
def test_training_in_a_process_of_its_own_says_nothing_of_its_libraries(
    songs: Path, tmp_path: Path
) -> None:
    script, short = EXAMPLES / "train.py", [*SHORT, "--preset", "mask_cnn"]
    arguments = [songs / "vocals", songs / "accompaniment", *short]
    run_apart(script, *arguments, cwd=tmp_path)

    _, told = run_apart(script, *arguments, "--batch-size", 3, cwd=tmp_path, code=1)

    assert told.splitlines()[-1].startswith("wavesep: runs/first/checkpoint.safetensors is of a ")
    noise = [line for line in told.splitlines() if re.search("cuda|oneDNN|TensorFlow|absl", line)]
    assert not noise
    assert "Traceback" not in told


@pytest.mark.slow
def test_train_filterbank(songs: Path, tmp_path: Path) -> None:
    script = EXAMPLES / "train.py"
    arguments = [songs / "vocals", songs / "accompaniment", *SHORT]
    filters = ["analysis_bands", "analysis_sub_bands", "synthesis_sub_bands", "synthesis_bands"]
    card = ["--card", WEIGHTS / "cards" / "wavenet.json"]
    first = tmp_path / "runs" / "first" / "best.safetensors"

    run(script, *arguments, "--preset", "filterbank", "--freeze", *filters, cwd=tmp_path)
    second = ["--start", first, "--precision", "bfloat16", "--run", "runs/second", *card]
    run(script, *arguments, *second, cwd=tmp_path)

    before, after = (
        read_model_file(first.parents[1] / n / first.name) for n in ("first", "second")
    )
    assert before.architecture == after.architecture == PRESETS["filterbank"].architecture
    assert before.licence == "not stated" != after.licence
    assert (first.parent / "logs").is_dir()
    # the first run left the filters as they begin, the second trained them
    begin = band_filters(256)[0][:, None]
    np.testing.assert_allclose(before.arrays["analysis_bands/kernel"], begin, atol=1e-4)
    change = after.arrays["analysis_bands/kernel"] - before.arrays["analysis_bands/kernel"]
    assert np.abs(change).max() > 1e-4
    for file in (before, after):
        assert all(np.isfinite(array).all() for array in file.arrays.values())


@pytest.mark.slow
def test_train_musdb(ffmpeg: None, musdb_hq: Path, tmp_path: Path) -> None:
    training = ["--preset", "folded_small", *SHORT]

    run(EXAMPLES / "train_musdb.py", musdb_hq, *training, cwd=tmp_path)

    assert (tmp_path / "runs" / "musdb18" / "manifest.csv").is_file()
    best = read_model_file(tmp_path / "runs" / "first" / "best.safetensors")
    assert best.architecture == PRESETS["folded_small"].architecture


def test_link_folders(songs: Path, tmp_path: Path) -> None:
    script = EXAMPLES.parent / "data_prep" / "link_folders.py"
    stems = [songs / "vocals", songs / "accompaniment"]
    command = ["prepared", "--vocals", *stems, "--accompaniment", stems[1]]

    for _ in range(2):  # a second time, too
        run(script, *command, cwd=tmp_path)

    vocals = tmp_path / "prepared" / "vocals"
    assert (vocals / "a").resolve() == stems[0].resolve()
    assert (vocals / "b" / "song 2.wav").is_file()
    assert [path.name for path in (tmp_path / "prepared" / "accompaniment").iterdir()] == ["a"]


def test_draw_stems(songs: Path, tiny_file: Path, tmp_path: Path) -> None:
    song = songs / "vocals" / "song 1.wav"

    run(EXAMPLES / "draw_stems.py", song, "song.png", "--model", tiny_file, cwd=tmp_path)

    assert (tmp_path / "song.png").read_bytes().startswith(b"\x89PNG")
    assert (EXAMPLES / "stems.png").stat().st_size < 200_000
