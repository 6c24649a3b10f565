"""The benchmark measures, compares within a round, and keeps what it has."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from wavesep import PRESETS
from wavesep.bench import SECTIONS, limits, measure, networks, streaming
from wavesep.bench.timing import alternate, apart, ratio
from wavesep.cli import main
from wavesep.cli.console import table
from wavesep.models.wavenet.architecture import WaveNetArchitecture


def test_functions_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavesep.bench.timing.PAUSE", 0.0)
    calls: list[str] = []

    times = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)

    assert calls == ["a", "b"] * 3
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}


def test_a_slow_function_is_measured_once_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavesep.bench.timing.PAUSE", 0.0)
    monkeypatch.setattr("wavesep.bench.timing.BUDGET", 0.01)

    times = alternate({"slow": lambda: time.sleep(0.02)}, rounds=3)

    assert len(times["slow"]) == 1
    assert times["slow"][0] >= 0.02


def test_a_ratio_is_taken_within_rounds() -> None:
    # the machine was three times as slow in the second round
    assert ratio({"a": [2.0, 6.0, 2.0], "b": [1.0, 3.0, 1.0]}, "a", "b") == 2


def test_apart_is_another_process() -> None:
    assert apart(os.getpid) != os.getpid()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_product_of_keras_is_the_product(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.SIDES, "cpu", 64)
    matrix = limits.random_matrix(64)

    corner = limits.keras_product(precision, "cpu")()

    expected = np.linalg.matrix_power(matrix.astype(float), limits.PRODUCTS + 1)[0, 0]
    np.testing.assert_allclose(float(str(corner)), expected, atol=0.02)
    assert limits.operations("cpu") == limits.PRODUCTS * 2 * 64**3


def test_the_rate_is_that_of_a_product(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    products = {"float32": lambda: called.append("float32")}
    monkeypatch.setattr(limits, "matrix_products", lambda device: products)
    monkeypatch.setattr(
        limits, "alternate", lambda functions, rounds: {name: [0.5] for name in functions}
    )

    assert limits.product_rate("cpu", "float32") == limits.operations("cpu") / 0.5
    assert called == ["float32"]  # the first call, which warms up, is not timed
    assert limits.product_rate("cpu", "bfloat16") is None


def test_the_table_of_the_design_is_there() -> None:
    sizes = {(a.filters, a.frame_size, a.layers_per_stack) for a in networks.NETWORKS.values()}

    assert {
        (32, 1, 10), (64, 8, 10), (64, 16, 9), (128, 16, 9), (128, 32, 8), (256, 64, 7),
    } < sizes  # fmt: skip
    presets = {name: preset.architecture for name, preset in PRESETS.items()}
    wavenets = {n: a for n, a in presets.items() if isinstance(a, WaveNetArchitecture)}
    del wavenets["wavenet"]  # the preset filterbank
    assert networks.NETWORKS.items() >= wavenets.items()
    assert presets["wavenet"] == networks.NETWORKS["filterbank"]


@pytest.mark.filterwarnings("default")
def test_a_network_is_measured_through_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "FRAMES", 500)
    monkeypatch.setattr("wavesep.bench.timing.PAUSE", 0.0)
    monkeypatch.setitem(networks.NETWORKS, "tiny", networks.folded(8, 4, 2))

    rows = networks.network_speed("tiny", "cpu")
    precisions = limits.matrix_products("cpu")

    assert {"openvino", "keras"} == {row["engine"] for row in rows}
    for row in rows:
        assert row["times real time"] > 0
        # a processor without bfloat16 has no limit to compare it with, though Keras computes in it
        assert ("share of limit" in row) == (row["precision"] in precisions)
        assert 0 < row.get("share of limit", 0.5) < 1


def test_streams_are_measured_by_the_length_of_their_blocks(
    tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wavesep.bench.timing.PAUSE", 0.0)
    monkeypatch.setattr(streaming, "SECONDS", 1)

    rows = streaming.stream_costs(str(tiny_file), "float32", "cpu")

    assert [row["block ms"] for row in rows] == list(streaming.BLOCKS)
    for row in rows:
        assert row["latency ms"] == pytest.approx(1000 * (60 + 192 * 4 - 1) / 44_100)
        assert row["cost"] > 0
        assert row["times real time"] > 0
        assert row["slowest block ms"] > 0


def test_limits_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    # as in a process of its own, where the descriptor is what hides the lines of libraries
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.setattr("sys.stdout", os.fdopen(1, "w", closefd=False))
    monkeypatch.setattr("wavesep.bench.timing.PAUSE", 0.0)
    monkeypatch.setattr("wavesep.bench.apart", lambda job: job())
    monkeypatch.setitem(limits.SIDES, "cpu", 512)

    assert main(["bench", "limits", "--json", str(path)]) == 0

    said = capfd.readouterr().out
    figures = json.loads(path.read_text())
    assert list(figures) == ["machine", "limits"]
    assert figures["machine"]["cores"] >= 1
    assert all(row["rate"] > 1 for row in figures["limits"])
    assert SECTIONS["limits"] in said
    assert "GFLOP/s" in said


def test_without_a_section_all_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wavesep.bench.apart", lambda job: [{"figure": 1}])

    assert main(["bench"]) == 0

    out = capsys.readouterr().out
    assert all(title in out for title in SECTIONS.values())


def test_what_fails_does_not_stop_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[dict[str, object]]:
        raise RuntimeError("the packages do not fit\ntogether")

    monkeypatch.setattr(
        "wavesep.bench.jobs", lambda *_: [("bad", fail), ("good", lambda: [{"x": 1}])]
    )
    monkeypatch.setattr("wavesep.bench.apart", lambda job: job())

    [(section, rows)] = measure(["peers"])

    assert section == "peers"
    assert rows == [{"not measured": "bad", "note": "the packages do not fit"}, {"x": 1}]


def test_a_table_has_a_column_for_each_name() -> None:
    drawn = table([{"a": "x", "b": 1234.5}, {"a": "y", "c": 0.01234}])

    assert [str(column.header) for column in drawn.columns] == ["a", "b", "c"]
    assert [list(column.cells) for column in drawn.columns] == [
        ["x", "y"], ["1,234", ""], ["", "0.0123"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["limits", "--json", "/nowhere/x.json"], "cannot be written"),
        (["streaming", "--model", "nothing"], "no model 'nothing'"),
        (["limit"], "no section 'limit': choose from limits, networks"),
    ],
)
def test_mistakes_are_told(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("wavesep.bench.apart", lambda job: [])

    assert main(["bench", *arguments]) == 1

    assert message in capsys.readouterr().err
