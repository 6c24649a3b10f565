"""Model files: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import wavesep
from wavesep import UNet
from wavesep.errors import ModelFileError
from wavesep.models.arrays import LEVELS, Arrays, fingerprint, load_arrays
from wavesep.models.files import ModelFile, read_model_file
from wavesep.models.presets import MEANS
from wavesep.models.wavenet.architecture import WaveNetArchitecture
from wavesep.systems.tree import System, read_systems

from .conftest import Rewrite


def test_a_model_file_holds_the_network_and_all_about_it(tiny_file: Path, tmp_path: Path) -> None:
    file = read_model_file(tiny_file)
    network = file.build()
    copy = tmp_path / "copy.safetensors"

    ModelFile.from_network(
        network,
        sample_rate=22_050,
        sources=("drums", "rest"),
        licence="CC0",
        card={"minutes": 3, "ä": ["b"]},
    ).save(copy)

    read = read_model_file(copy)
    assert (read.sample_rate, read.sources, read.licence) == (22_050, ("drums", "rest"), "CC0")
    assert read.card == {"minutes": 3, "ä": ["b"]}
    assert isinstance(read.architecture, WaveNetArchitecture)
    assert read.architecture == network.architecture == file.architecture
    assert read.architecture.head == ()
    assert read.kind == "wavenet"
    assert read.parameters == network.count_params()
    assert read.arrays.keys() == file.arrays.keys()
    for name, array in read.arrays.items():
        np.testing.assert_array_equal(array, file.arrays[name])
    assert list(tmp_path.iterdir()) == [copy]


@pytest.mark.parametrize("name", MEANS["vocals"].parts)
def test_the_shipped_model_loads_by_name(name: str) -> None:
    assert name in wavesep.list_models()

    file = read_model_file(name)

    sources = ("vocals", "accompaniment")
    assert file.sources == (sources[::-1] if name == "spleeter_accompaniment" else sources)
    assert file.sample_rate == 44_100
    assert file.licence != "not stated"
    assert {"data", "training", "scores", "limits"} <= file.card.keys()
    assert all(np.isfinite(array).all() for array in file.arrays.values())
    zeros = {key for key, array in file.arrays.items() if not array.any()}
    # Spleeter was trained without normalisation
    means = {key for key in file.arrays if key.endswith("moving_mean")}
    assert zeros == (means if name.startswith("spleeter") else set())
    assert wavesep.load_model(name).count_params() == file.parameters


def test_a_mean_has_no_file() -> None:
    with pytest.raises(ModelFileError, match="vocals is the mean of several models: give one of w"):
        read_model_file("vocals")


def test_kernels_of_8_bits_are_close_to_the_network(tmp_path: Path) -> None:
    file = ModelFile.from_network(
        UNet(window=64, hop=16, filters=16, depth=2), sample_rate=8_000, sources=("a", "b")
    )
    file.arrays["down1/kernel"][..., 3] = 0
    file.quantised().save(tmp_path / "small.safetensors")
    file.save(tmp_path / "large.safetensors")

    read = read_model_file(tmp_path / "small.safetensors")

    small, large = (
        (tmp_path / f"{name}.safetensors").stat().st_size for name in ("small", "large")
    )
    assert small < 0.4 * large
    for name, array in file.arrays.items():
        largest = np.abs(array).max(axis=-2, keepdims=True) if array.ndim > 1 else 0
        assert read.arrays[name].dtype != np.int8
        assert (np.abs(read.arrays[name] - array) <= largest / (2 * LEVELS) + 1e-7).all()


def test_scales_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = ModelFile.from_network(
        UNet(window=64, hop=16, filters=16, depth=2), sample_rate=8_000, sources=("a", "b")
    ).quantised()
    file.arrays["down1/kernel:scale"] = np.ones((1, 32), np.float32)
    file.save(tmp_path / "odd.safetensors")
    with pytest.raises(ModelFileError, match="the scales of 'down1/kernel' do not fit"):
        read_model_file(tmp_path / "odd.safetensors")

    del file.arrays["down1/kernel:scale"]
    file.save(tmp_path / "odd.safetensors")
    with pytest.raises(ModelFileError, match="must be float16 or float32, not int8"):
        read_model_file(tmp_path / "odd.safetensors")


def test_a_file_has_what_name_it_likes(tiny_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a+b:speeds"
    path.write_bytes(tiny_file.read_bytes())

    system = read_systems(path)

    assert isinstance(system, System)
    assert (system.rate, system.speed, system.wiener) == (44_100, 1.0, False)
    assert fingerprint(system.file.arrays) == fingerprint(read_model_file(tiny_file).arrays)


def test_no_such_model() -> None:
    with pytest.raises(ModelFileError, match=r"no model 'vocalz': give a file, or one of .*vocals"):
        wavesep.load_model("vocalz")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_file_is_refused(tiny_file: Path, tmp_path: Path, share: float) -> None:
    content = tiny_file.read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(ModelFileError, match="damaged"):
        wavesep.load_model(path)


def test_a_changed_byte_is_noticed(tiny_file: Path, tmp_path: Path) -> None:
    content = bytearray(tiny_file.read_bytes())
    content[-10] ^= 1
    path = tmp_path / "changed.safetensors"
    path.write_bytes(content)

    with pytest.raises(ModelFileError, match="checksum"):
        wavesep.load_model(path)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("not a model")
    foreign = tmp_path / "foreign.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(3)}, foreign)

    with pytest.raises(ModelFileError, match="not a model file"):
        wavesep.load_model(text)
    with pytest.raises(ModelFileError, match="not a wavesep model"):
        wavesep.load_model(foreign)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("filters"), "cannot be built: unexpected or missing: 'filters'"),
        (lambda a: a.update(depth=3), "cannot be built: unexpected or missing: 'depth'"),
        (lambda a: a.update(layers_per_stack=5), "arrays do not fit.*: 'layer3_residual/bias'"),
        (lambda a: a.update(layers_per_stack=3), "arrays do not fit.*: 'layer2_residual/bias'"),
    ],
)
def test_an_architecture_that_does_not_fit_is_refused(
    change: Callable[[dict[str, Any]], None], message: str, tiny_file: Path, rewrite: Rewrite
) -> None:
    architecture = read_model_file(tiny_file).architecture.arguments
    change(architecture)

    with pytest.raises(ModelFileError, match=message):
        wavesep.load_model(rewrite(tiny_file, architecture=architecture))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("decoder/bias"), "unexpected or missing: 'decoder/bias'"),
        (lambda a: a.update({"new/bias": np.zeros(3)}), "unexpected or missing: 'new/bias'"),
        (lambda a: a.update({"decoder/bias": np.zeros(3)}), r"'decoder/bias' must .* \(8,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    change: Callable[[Arrays], None], message: str, tiny_file: Path, tmp_path: Path
) -> None:
    file = read_model_file(tiny_file)
    change(file.arrays)
    path = tmp_path / "odd.safetensors"
    file.save(path)

    with pytest.raises(ModelFileError, match=message):
        wavesep.load_model(path)


def test_a_file_of_before_there_were_filterbanks_is_read(tiny_file: Path, rewrite: Rewrite) -> None:
    file = read_model_file(tiny_file)
    known = {"filterbank", "cell_filters"}
    arguments = file.architecture.arguments
    first = {name: value for name, value in arguments.items() if name not in known}

    assert read_model_file(rewrite(tiny_file, architecture=first)).architecture == file.architecture


def test_reading_a_model_file_needs_no_keras(tiny_file: Path) -> None:
    code = (
        "import sys; from wavesep.models.files import read_model_file; "
        f"read_model_file({str(tiny_file)!r}); "
        "assert not {'keras', 'tensorflow'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_survive_an_interrupted_save(tiny_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(tiny_file.read_bytes())
    before, _ = load_arrays(path)
    file = read_model_file(path)
    file.arrays["bad"] = object()  # type: ignore[assignment]

    with pytest.raises((TypeError, AttributeError, ValueError)):
        file.save(path)

    after, _ = load_arrays(path)
    assert before.keys() == after.keys()
