"""The networks of Koretzky: the sizes of the article, model files, and those of old."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from wavesep import ActivityCnn, FrameCnn
from wavesep.engines import open_network
from wavesep.errors import ModelFileError
from wavesep.models.files import SHIPPED, ModelFile, read_model_file

from ..conftest import Rewrite

SMALL: dict[str, Any] = {"window": 64, "hop": 32, "filters": (2, 2, 2, 2), "units": 3}
ANSWERS = {"mask": FrameCnn, "activity": ActivityCnn}


@pytest.mark.parametrize(
    ("network", "wrong"),
    [
        (FrameCnn, {"frames": 24}),
        (FrameCnn, {"frames": 7}),
        (FrameCnn, {"filters": (4, 4, 4)}),
        (FrameCnn, {"channels": 2}),
        (FrameCnn, {"hop": 2048}),
        (FrameCnn, {"targets": 0}),
        (ActivityCnn, {"targets": 2}),
        (ActivityCnn, {"frames": 24}),
    ],
)
def test_odd_arguments_are_refused(network: type[keras.Model], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        network(**wrong)


@pytest.mark.parametrize(
    ("kind", "targets", "sources"),
    [(FrameCnn, 2, ("a", "b", "c")), (ActivityCnn, 1, ("activity",))],
)
def test_model_files_hold_them(
    kind: type[keras.Model], targets: int, sources: tuple[str, ...], tmp_path: Path
) -> None:
    network = kind(**SMALL, targets=targets)
    path = tmp_path / "model.safetensors"
    file = ModelFile.from_network(network, sample_rate=8_000, sources=sources)
    file.save(path)

    read = read_model_file(path)

    assert read.kind == network.architecture.kind
    assert read.parameters == network.count_params()
    assert read.architecture == network.architecture
    assert read.architecture.context == (network.left_context, network.right_context)
    for name, array in read.arrays.items():
        np.testing.assert_array_equal(array, file.arrays[name])
    copy = read.build()
    assert type(copy) is kind
    again = kind.from_config(network.get_config())
    assert again.get_config() == network.get_config()
    assert again.architecture == network.architecture


@pytest.mark.parametrize(
    ("answer", "kind", "sources"),
    [("mask", "frame_cnn", ("a", "b")), ("activity", "vocal_activity", ("activity",))],
)
def test_a_file_of_when_both_were_one_kind_is_read(
    answer: str, kind: str, sources: tuple[str, ...], tmp_path: Path, rewrite: Rewrite
) -> None:
    network = ANSWERS[answer](**SMALL)
    today = tmp_path / "today.safetensors"
    ModelFile.from_network(network, sample_rate=8_000, sources=sources).save(today)
    said = network.architecture.arguments | {"answer": answer}

    file = read_model_file(rewrite(today, kind="frame_cnn", architecture=said))

    assert file.kind == kind
    assert file.architecture == network.architecture
    rng = np.random.default_rng(0)
    magnitudes = rng.uniform(0, 9, (3, 33, network.architecture.frames)).astype(np.float32)
    expected = np.asarray(network(magnitudes))
    assert expected.std() > 0
    np.testing.assert_array_equal(file.build()(magnitudes), expected)
    np.testing.assert_array_equal(
        open_network(file)(magnitudes), open_network(read_model_file(today))(magnitudes)
    )


@pytest.mark.parametrize("kind", ["frame_cnn", "vocal_activity"])
@pytest.mark.parametrize("answer", ["both", None, ["mask"], {}])
def test_an_answer_that_never_was_is_refused(kind: str, answer: Any, rewrite: Rewrite) -> None:
    shipped = SHIPPED / "vocal_activity.safetensors"
    said = read_model_file(shipped).architecture.arguments | {"answer": answer}

    with pytest.raises(ModelFileError, match="unexpected or missing: 'answer'"):
        read_model_file(rewrite(shipped, kind=kind, architecture=said))
