"""What a model file may say: all else is refused, at once, and a change is noticed."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from wavesep.errors import ModelFileError
from wavesep.models.arrays import fingerprint, load_arrays
from wavesep.models.files import OLD_FORMAT, SHIPPED, ModelFile, checksum, read_model_file

from .conftest import Rewrite

SOON = 1.0  # s
VALUES: list[Any] = [
    None, True, 0, 1, -1, 3, 22_050, 1e18, 10**30, float("inf"), float("nan"), "", "x", "../../x",
    "/abs", "a\0b", "\x1b[31m", [], {}, [1], [0, 0], 2**20, 256, "linear", "F16", "I8",
]  # fmt: skip


def is_equal(one: ModelFile, other: ModelFile) -> bool:
    """Tell if two models are the same, to the bit."""
    about = [
        (m.architecture, m.sample_rate, m.sources, m.licence, m.card, m.kind) for m in (one, other)
    ]
    return about[0] == about[1] and fingerprint(one.arrays) == fingerprint(other.arrays)


def packed(header: dict[str, Any], data: bytes) -> bytes:
    """Return a safetensors file."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def changed_bytes(content: bytes, rng: random.Random) -> bytes:
    """Return a file with some bytes changed, cut out, doubled or cut off."""
    first, last = sorted(rng.randrange(len(content)) for _ in range(2))
    end = 8 + int.from_bytes(content[:8], "little")
    at = rng.choice([first, rng.randrange(end)])
    return rng.choice([
        content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :],
        content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :],
        content[:first], content[:first] + content[last:], content[:last] + content[first:],
    ])  # fmt: skip


def changed_header(content: bytes, rng: random.Random) -> bytes:
    """Return a file whose header says something else."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    inner = header[rng.choice(["__metadata__", *header])]
    name = rng.choice([*inner, "new"])
    value = rng.choice(VALUES)
    if inner is header["__metadata__"]:
        try:
            said = json.loads(inner[name])
            said[rng.choice([*said])] = value
            value = json.dumps(said)
        except (KeyError, IndexError, TypeError, ValueError):
            value = rng.choice([value, json.dumps(value)])
    inner[name] = value
    if rng.random() < 0.1:
        del header[rng.choice([*header])]
    return packed(header, content[end:])


@pytest.mark.parametrize("change", [changed_bytes, changed_header])
def test_a_changed_file_is_refused_or_the_same_model(
    change: Callable[[bytes, random.Random], bytes], tiny_file: Path, tmp_path: Path
) -> None:
    content, model = tiny_file.read_bytes(), read_model_file(tiny_file)
    path = tmp_path / "changed.safetensors"
    rng = random.Random(1)
    refused = 0
    for _ in range(700):
        path.write_bytes(change(content, rng))
        begin = time.perf_counter()
        try:
            assert is_equal(read_model_file(path), model)
        except ModelFileError:
            refused += 1
        assert time.perf_counter() - begin < SOON
    assert refused > 450


@pytest.mark.parametrize("name", ["wavenet", "unet"])
@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("sample_rate", "0", "1"), ("licence", "MIT", "CC0"), ("sources", "vocals", "drums"),
        ("architecture", '"hop": 512', '"hop": 256'), ("card", "limits", "Limits"),
        ("architecture", '"dilation_base": 2', '"dilation_base": 1'),
        ("architecture", '"linear"', '"relu"'),
    ],
)  # fmt: skip
def test_whatever_changes_is_noticed(
    name: str, field: str, old: str, new: str, tmp_path: Path
) -> None:
    arrays, metadata = load_arrays(SHIPPED / f"{name}.safetensors")
    if old not in metadata[field]:
        pytest.skip("this model does not say that")
    metadata[field] = metadata[field].replace(old, new)
    safetensors.numpy.save_file(arrays, tmp_path / "x", metadata)

    with pytest.raises(ModelFileError, match="does not match its checksum"):
        read_model_file(tmp_path / "x")


def deep(levels: int) -> Any:
    """Return lists in lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BAD: dict[str, list[Any]] = {
    "sample_rate": [
        0, -1, 999, 768_001, 10**18, 1e18, float("inf"), float("nan"), 44_100.0, "44100", None,
        True, [44_100],
    ],
    "sources": [
        ["../../x", "rest"], ["/abs", "rest"], ["a\0b", "rest"], ["a\nb", "rest"],
        ["\x1b[31m", "rest"], ["a\\b", "rest"], ["a:b", "rest"], ["..", "rest"], [".", "rest"],
        ["", "rest"], ["x" * 300, "rest"], [1, 2], [None, "rest"], [["a"], "rest"], "vr", 3, None,
        {"vocals": 1, "rest": 2}, ["vocals", "vocals"], ["vocals", "Vocals"],
        ["é", "e\u0301"], ["vocals"], ["a", "b", "c"], [], ["\udce9", "rest"], [" a", "rest"],
    ],
    "kind": ["x", "centre", "", None, 3, ["wavenet"], {}],
    "licence": [None, 3, ["MIT"], {}],
    "card": [None, 3, "x", [], {"a": deep(50)}, {"a": deep(900)}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_what_cannot_be_is_refused_at_once(
    name: str, value: Any, tiny_file: Path, rewrite: Rewrite
) -> None:
    path = rewrite(tiny_file, **{name: value})
    message = name.replace("_", " ")

    begin = time.perf_counter()
    with pytest.raises(ModelFileError, match=message) as caught:
        read_model_file(path)
    assert time.perf_counter() - begin < SOON
    assert len(str(caught.value)) < 400
    assert str(caught.value).removeprefix(str(path)).isprintable()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dilation_base", 10**9), ("dilation_base", 2**20), ("dilation_base", 0),
        ("stacks", 10**9), ("stacks", 1_000), ("stacks", True), ("stacks", 2.0), ("stacks", "1"),
        ("layers_per_stack", 5_000), ("layers_per_stack", 256), ("frame_size", 2**20),
        ("channels", 0), ("channels", None), ("filters", -4), ("head", 3), ("head", [0]),
        ("head", [1] * 10_000), ("head", [[1]]), ("activation", 3), ("activation", "tanh"),
        ("kernel_size", 4), ("filterbank", 3), ("targets", 10**6),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_is_refused_at_once(
    name: str, value: Any, tiny_file: Path, rewrite: Rewrite
) -> None:
    arguments = read_model_file(tiny_file).architecture.arguments
    path = rewrite(tiny_file, architecture=arguments | {name: value})

    begin = time.perf_counter()
    with pytest.raises(ModelFileError):
        read_model_file(path)
    assert time.perf_counter() - begin < SOON


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(value: float, tiny_file: Path, tmp_path: Path) -> None:
    file = read_model_file(tiny_file)
    file.arrays["decoder/bias"][0] = value
    file.save(tmp_path / "odd")

    with pytest.raises(ModelFileError, match="'decoder/bias' holds NaN or infinity"):
        read_model_file(tmp_path / "odd")


@pytest.mark.parametrize("dtype", ["int8", "bool", "uint16", "float64", "complex64"])
def test_weights_must_be_floats(dtype: str, tiny_file: Path, tmp_path: Path) -> None:
    file = read_model_file(tiny_file)
    file.arrays["decoder/bias"] = file.arrays["decoder/bias"].astype(dtype)
    file.save(tmp_path / "odd")

    with pytest.raises(ModelFileError, match=f"must be float16 or float32, not {dtype}"):
        read_model_file(tmp_path / "odd")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F4", "X"])
def test_numbers_that_numpy_does_not_know_are_refused(dtype: str, tmp_path: Path) -> None:
    array = {"dtype": dtype, "shape": [4], "data_offsets": [0, 8 if dtype == "BF16" else 4]}
    (tmp_path / "odd").write_bytes(packed({"a": array}, bytes(8 if dtype == "BF16" else 4)))

    with pytest.raises(ModelFileError):
        read_model_file(tmp_path / "odd")


def test_what_is_deep_or_large_is_refused_at_once(tiny_file: Path, tmp_path: Path) -> None:
    arrays, metadata = load_arrays(tiny_file)
    path = tmp_path / "odd"
    for card in ("[" * 100_000 + "]" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "1" * 10_000):
        metadata["card"] = card
        metadata["sha256"] = checksum(metadata, arrays)
        safetensors.numpy.save_file(arrays, path, metadata)
        begin = time.perf_counter()
        with pytest.raises(ModelFileError, match=r"cannot be read|levels"):
            read_model_file(path)
        assert time.perf_counter() - begin < SOON
    for content in (b"\xff" * 8, (10**8).to_bytes(8, "little"), b"", b"1234567"):
        with path.open("wb") as file:
            file.write(content)
            file.truncate(2 * 10**9 if content else 0)
        begin = time.perf_counter()
        with pytest.raises(ModelFileError, match="damaged"):
            read_model_file(path)
        assert time.perf_counter() - begin < SOON


@settings(max_examples=50)
@given(
    sources=st.lists(st.text(max_size=5), min_size=2, max_size=2)
    | st.lists(st.text("aA.é/ ", max_size=3), min_size=2, max_size=2)
)
def test_sources_that_are_read_are_names_of_files(
    tiny_file: Path, tmp_path_factory: pytest.TempPathFactory, sources: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("sources")
    replace(read_model_file(tiny_file), sources=tuple(sources)).save(folder / "m")
    try:
        read = read_model_file(folder / "m").sources
    except ModelFileError:
        return
    assert read == tuple(sources)
    for source in read:
        (folder / source).touch(exist_ok=False)
    assert {path.name for path in folder.iterdir()} == {"m", *read}


def test_a_file_of_the_first_version_is_read_as_ever(tiny_file: Path, tmp_path: Path) -> None:
    model = read_model_file(tiny_file)
    arrays, metadata = load_arrays(tiny_file)
    metadata |= {"format": OLD_FORMAT, "sha256": fingerprint(arrays)}
    del metadata["kind"]  # the first of them did not tell it
    path = tmp_path / "old"
    safetensors.numpy.save_file(arrays, path, metadata)
    assert is_equal(read_model_file(path), model)

    for field, value in (("sample_rate", "0"), ("sources", '["../../x", "y"]'), ("new", "1")):
        safetensors.numpy.save_file(arrays, path, metadata | {field: value})
        with pytest.raises(ModelFileError):
            read_model_file(path)
    arrays["decoder/bias"] = arrays["decoder/bias"] + 1
    safetensors.numpy.save_file(arrays, path, metadata)
    with pytest.raises(ModelFileError, match="checksum"):
        read_model_file(path)


def test_equal_models_make_equal_files(tiny_file: Path, tmp_path: Path) -> None:
    card = {"ä": 1, "b": [2.5, None], "c": {"d": "e"}}
    model = replace(read_model_file(tiny_file), card=card)
    shuffled = replace(model, arrays=dict(sorted(model.arrays.items(), reverse=True)))
    files = []
    for i, one in enumerate((model, shuffled, model, model)):
        one.save(tmp_path / str(i))
        files.append((tmp_path / str(i)).read_bytes())

    assert len({*files}) == 1
    assert is_equal(read_model_file(tmp_path / "1"), model)
