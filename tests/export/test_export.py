"""Exports give what a Separator gives, in other runtimes, and describe themselves."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep import Separator, __version__
from wavesep.audio import Audio
from wavesep.audio.read import read_audio
from wavesep.bench.networks import random_model
from wavesep.cli import main
from wavesep.engines.openvino.runtime import compile_graph, openvino
from wavesep.errors import OptionError, OutputError, OutputExistsError
from wavesep.export import export_model
from wavesep.models.presets import POST
from wavesep.systems.pipeline import Stems, joined

SMALL = replace(POST, filters=6, skip_filters=5, stacks=2, layers_per_stack=2)
ARCHITECTURES = {
    "post": SMALL,
    "folded": replace(SMALL, layers_per_stack=3, frame_size=5, head=(4, 3), dilation_base=3),
    "mono": replace(
        SMALL,
        kernel_size=3,
        activation="linear",
        channels=1,
        targets=3,
        stacks=1,
        layers_per_stack=9,  # the last layer's past is longer than a step
    ),
    "filterbank": replace(SMALL, frame_size=6, filterbank=3, channels=1),
    "filterbank_stereo": replace(SMALL, frame_size=6, filterbank=2, channels=2, targets=2),
}
RATE = 8_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of each architecture; all weights, biases too, are random."""
    folder = tmp_path_factory.mktemp("exports")
    for name, architecture in ARCHITECTURES.items():
        model = random_model(architecture)
        sources = tuple(f"stem {i}" for i in range(architecture.source_count))
        replace(
            model, sample_rate=RATE, sources=sources, licence="mine", card={"limits": "any"}
        ).save(folder / f"{name}.safetensors")
    return folder


@cache
def separator(path: Path) -> Separator:
    return Separator(path, precision="float32")


@dataclass
class Opened:
    """An export in its runtime: what it says of itself, the shapes of its inputs, and its run."""

    about: dict[str, str]
    shapes: dict[str, list[Any]]
    run: Callable[[dict[str, Audio]], dict[str, Audio]]


def open_onnx(path: Path) -> Opened:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    about = session.get_modelmeta().custom_metadata_map
    names = [output.name for output in session.get_outputs()]
    return Opened(
        {key.removeprefix("wavesep."): text for key, text in about.items()},
        {each.name: each.shape for each in session.get_inputs()},
        lambda inputs: dict(zip(names, session.run(names, inputs), strict=True)),
    )


def open_openvino(path: Path) -> Opened:
    graph = openvino.Core().read_model(path)
    compiled = compile_graph(openvino.Core(), graph, "float32")
    return Opened(
        dict(graph.get_rt_info("wavesep").value),
        {
            port.any_name: [s.get_length() if s.is_static else "sounds" for s in port.partial_shape]
            for port in graph.inputs
        },
        lambda inputs: {port.any_name: value for port, value in compiled(inputs).items()},
    )


RUNTIMES = {"onnx": (".onnx", open_onnx), "openvino": (".xml", open_openvino)}


@cache
def exported(model: Path, form: str, stream: bool = False) -> Opened:
    """Export a model and open the file in its runtime."""
    suffix, opened = RUNTIMES[form]
    path = model.with_name(f"{model.stem}{stream}{suffix}")
    return opened(export_model(model, path, form=form, stream=stream))


def run_steps(stream: Opened, mixture: Audio) -> list[Stems]:
    """Run the steps of a stream and return the stems of each."""
    sounds = mixture.shape[1] // int(stream.about["channels"])
    step = int(stream.about["step"])
    past = {
        name: np.zeros([sounds if size == "sounds" else size for size in shape], np.float32)
        for name, shape in stream.shapes.items()
        if name != "mixture"
    }
    parts = []
    for start in range(0, len(mixture), step):
        results = stream.run({"mixture": mixture[start : start + step], **past})
        past = {name: results.pop(f"new_{name}") for name in past}
        parts.append(results)
    return parts


def random_audio(samples: int, channels: int) -> Audio:
    """Return noise with digital silence inside, sometimes longer than the receptive field."""
    rng = np.random.default_rng(samples)
    audio = rng.uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)
    audio[samples // 4 : samples // 2] = 0
    return audio


@pytest.mark.parametrize("name", ARCHITECTURES)
@settings(max_examples=8)
@given(samples=st.integers(1, 1_500), groups=st.integers(1, 2))
def test_the_whole_is_that_of_the_separator(
    folder: Path, name: str, samples: int, groups: int
) -> None:
    model = folder / f"{name}.safetensors"
    mixture = random_audio(samples, groups * ARCHITECTURES[name].channels)

    stems = exported(model, "onnx").run({"mixture": mixture})

    assert_same(stems, separator(model).separate(mixture, RATE))


def assert_same(stems: Stems, expected: Stems) -> None:
    assert list(stems) == list(expected)
    for source, stem in stems.items():
        assert stem.dtype == np.float32
        assert stem.shape == expected[source].shape
        np.testing.assert_allclose(stem, expected[source], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "form"), [*((name, "onnx") for name in ARCHITECTURES), ("folded", "openvino")]
)
def test_step_by_step_it_is_the_stream(folder: Path, name: str, form: str) -> None:
    model, channels = folder / f"{name}.safetensors", ARCHITECTURES[name].channels
    steps = exported(model, form, stream=True)
    step, late, latency = (int(steps.about[key]) for key in ("step", "right_context", "latency"))
    mixture = random_audio(6 * step, 2 * channels)

    parts = run_steps(steps, mixture)

    stream = separator(model).stream(RATE, 2 * channels)
    expected = joined([stream.push(mixture), stream.flush()])
    assert latency == stream.latency
    for i, part in enumerate(parts):
        given = (i + 1) * step  # samples of the mixture so far
        begin = given - 1 - latency  # the first stems that a step returns are this late
        valid = {source: stem[max(-begin, 0) :] for source, stem in part.items()}
        place = slice(max(begin, 0), max(given - late, 0))
        assert_same(valid, {source: stem[place] for source, stem in expected.items()})


@pytest.mark.parametrize("name", ["folded", "filterbank"])
def test_openvino_reads_the_whole_that_onnx_has(folder: Path, name: str) -> None:
    model = folder / f"{name}.safetensors"
    for samples in (1, 777):
        mixture = random_audio(samples, 2)
        stems = exported(model, "openvino").run({"mixture": mixture})
        assert_same(stems, separator(model).separate(mixture, RATE))


@pytest.mark.parametrize("form", RUNTIMES)
def test_it_says_what_a_program_must_know(folder: Path, form: str) -> None:
    model = folder / "folded.safetensors"
    expected = separator(model)
    about = {
        "version": __version__,
        "model": "folded",
        "sample_rate": str(RATE),
        "channels": "2",
        "sources": '["stem 0", "stem 1"]',
        "left_context": str(expected.left_context),
        "right_context": str(expected.right_context),
        "licence": "mine",
        "card": '{"limits": "any"}',
    }

    assert exported(model, form).about == about
    steps = exported(model, form, stream=True).about
    assert steps.items() >= about.items()
    assert steps.keys() - about.keys() == {"step", "latency"}


def test_the_onnx_file_keeps_the_standard(folder: Path, tmp_path: Path) -> None:
    for stream in (False, True):
        path = tmp_path / f"{stream}.onnx"
        export_model(folder / "folded.safetensors", path, stream=stream)
        onnx.checker.check_model(path, full_check=True)


def test_the_python_of_the_page_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "examples" / "export.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    random_model(SMALL).save(tmp_path / "wavenet.safetensors")
    export_model(tmp_path / "wavenet.safetensors", tmp_path / "wavenet.onnx")
    names: dict[str, Any] = {}

    with contextlib.chdir(tmp_path):
        exec(block, names)

    assert names["vocals"].shape == names["mixture"].shape


@pytest.mark.slow  # the small networks have all of its operations
@pytest.mark.parametrize("form", RUNTIMES)
def test_the_shipped_model(shared: Path, tmp_path: Path, form: str) -> None:
    audio, rate = read_audio(shared / "songs" / "karissa_hobbs_lets_go_fishin.ogg")
    mixture = audio[60 * rate : 64 * rate]
    suffix, opened = RUNTIMES[form]
    whole, steps = (
        opened(export_model("wavenet", tmp_path / f"{s}{suffix}", form=form, stream=s))
        for s in (False, True)
    )

    expected = separator(Path("wavenet")).separate(mixture, rate)

    assert np.sqrt(np.mean(expected["vocals"] ** 2)) > 0.01
    assert_same(whole.run({"mixture": mixture}), expected)
    late, step = int(steps.about["right_context"]), int(steps.about["step"])
    padded = np.pad(mixture, ((0, late + -(len(mixture) + late) % step), (0, 0)))
    stems = joined(run_steps(steps, padded))
    assert_same({name: stem[late:][: len(mixture)] for name, stem in stems.items()}, expected)


def test_files_are_complete_and_kept(folder: Path, tmp_path: Path) -> None:
    model = folder / "post.safetensors"
    path = tmp_path / "new" / "post.xml"
    export_model(model, path, form="openvino")
    assert sorted(file.name for file in path.parent.iterdir()) == ["post.bin", "post.xml"]

    path.unlink()
    with pytest.raises(OutputExistsError, match=r"post\.bin exists"):
        export_model(model, path, form="openvino")
    assert not path.exists()
    export_model(model, path, form="openvino", overwrite=True)
    assert path.exists()


def test_a_file_that_openvino_cannot_write_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("basic_ios::clear: iostream error")  # of a full disk

    monkeypatch.setattr(openvino, "save_model", fail)
    path = tmp_path / "post.xml"
    with pytest.raises(OutputError, match=f"{path} cannot be written: is the disk full"):
        export_model(folder / "post.safetensors", path, form="openvino")
    assert not list(tmp_path.iterdir())


def test_the_name_is_that_of_the_model(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(folder / "post.safetensors"), "--stream"]) == 0
    assert capsys.readouterr().out == "post_stream.onnx\n"
    assert Path("post_stream.onnx").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["unet"], "only a WaveNet can be exported: unet is of the kind unet"),
        (["centre"], "only a WaveNet can be exported: centre is of the kind centre"),
        (["vocals"], 'only a single model can be exported, without "+" and ":", not vocals'),
        (["vocals:wiener"], 'only a single model can be exported, without "+" and ":"'),
        (["vocals:speeds"], 'only a single model can be exported, without "+" and ":"'),
        (["vocalz"], "no model 'vocalz'"),
        (["-o", "vocals.bin"], "the name of an onnx file must end in .onnx, not vocals.bin"),
        (["-o", "text/vocals.onnx"], "text cannot be made"),
        (["-o", "wavenet.onnx"], "wavenet.onnx exists: "),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("text", "wavenet.onnx"):
        Path(name).write_text("kept")

    assert main(["export", *arguments]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"wavesep: {message}")
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["kept", "kept"]


def test_a_package_that_is_missing_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wavesep.export.files.find_spec", lambda name: name == "openvino" or None)

    with pytest.raises(OptionError, match=r'this needs onnx: pip install "wavesep\[export\]"'):
        export_model(folder / "post.safetensors", tmp_path / "post.onnx")


def test_a_stem_cannot_have_the_name_of_an_input(tmp_path: Path) -> None:
    for source in ("mixture", "past_0", "new_past_3"):
        path = tmp_path / f"{source}.safetensors"
        replace(random_model(SMALL), sources=(source, "rest")).save(path)
        with pytest.raises(OptionError, match=f"the source '{source}' cannot be exported"):
            export_model(path, tmp_path / "any.onnx")


def test_an_unknown_format_is_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match="no format 'coreml': choose one of onnx, openvino"):
        export_model(folder / "post.safetensors", form="coreml")
