"""What is said of a run while it trains."""

from __future__ import annotations

import logging
import sys
import time

import pytest

from wavesep.training.meter import Meter, span


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_a_minute(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shown = Meter(epochs=30, steps=100)
    asked = []

    shown.begin(40)
    for step in range(41, 162):  # the first takes an hour, the others two seconds each
        clock[0] += 3_600 if step == 41 else 2
        shown.step(step, lambda: asked.append(1) or 0.5)  # type: ignore[func-returns-value]

    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "training continues after step 40 of 3,000: the first step takes longest",
        "step 41 of 3,000, epoch 1 of 30: loss 0.5",
        "about 1 h 40 min in total",
        "step 71 of 3,000, epoch 1 of 30: loss 0.5, 1 h 38 min left",
        "step 101 of 3,000, epoch 2 of 30: loss 0.5, 1 h 37 min left",
        "step 131 of 3,000, epoch 2 of 30: loss 0.5, 1 h 36 min left",
        "step 161 of 3,000, epoch 2 of 30: loss 0.5, 1 h 35 min left",
    ]
    assert len(asked) == 5


def test_a_long_run_is_told(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shown = Meter(epochs=300, steps=100)
    for step in range(1, 30):
        clock[0] += 2
        shown.step(step, lambda: 0.5)

    assert "about 16 h 40 min in total: fewer steps, smaller batches or a GPU" in caplog.text


def test_a_terminal_has_one_line_that_changes(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = Meter(epochs=2, steps=10)
    shown.begin(0)
    for step in range(1, 4):
        clock[0] += 1
        shown.step(step, lambda: 0.25)
    shown.clear()

    lines = capsys.readouterr().err.split("\r\x1b[K")
    assert lines[-2] == "step 3 of 20, epoch 1 of 2: loss 0.25, 17 s left"
    assert lines[-1] == ""
    assert "\n" not in "".join(lines)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (29, "29 s"), (90, "2 min"), (3_600, "1 h 0 min"),
                          (100_000, "27 h 47 min")],
)  # fmt: skip
def test_a_span_is_said(seconds: float, said: str) -> None:
    assert span(seconds) == said
