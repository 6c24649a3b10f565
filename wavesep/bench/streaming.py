"""Cost of a stream by the length of its blocks, relative to separating the whole mixture."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from ..audio import Audio
from ..separator import Separator
from .timing import Row, alternate, median, noise, ratio

SECONDS = 20
BLOCKS = (5, 10, 20, 50, 100, 500)  # ms


def stream_costs(model: str, precision: str, device: str) -> list[Row]:
    """Measure the streams of a model at its own rate.

    ``cost`` is the time of a whole stream, as a multiple of the time of `Separator.separate` for
    the same mixture.
    """
    separator = Separator(model, precision=precision, device=device)
    rate = separator.sample_rate
    mixture = noise(SECONDS * rate)
    slowest = dict.fromkeys(BLOCKS, 0.0)

    def stream(block: int) -> None:
        slowest[block] = max(slowest[block], run_stream(separator, mixture, rate * block // 1000))

    functions: dict[str, Callable[[], object]] = {
        str(block): partial(stream, block) for block in BLOCKS
    }
    functions["at once"] = partial(separator.separate, mixture, rate)
    functions["at once"]()
    run_stream(separator, mixture, rate)  # all streams run the same steps
    times = alternate(functions)
    latency = separator.stream(rate).latency
    return [
        {
            "model": model,
            "precision": precision,
            "block ms": block,
            "latency ms": 1000 * latency / rate,
            "times real time": SECONDS / median(times, str(block)),
            "cost": ratio(times, str(block), "at once"),
            "slowest block ms": 1000 * slowest[block],
        }
        for block in BLOCKS
    ]


def run_stream(separator: Separator, mixture: Audio, block: int) -> float:
    """Stream a mixture and return the seconds that its slowest block took."""
    stream = separator.stream(separator.sample_rate)
    slowest = 0.0
    for start in range(0, len(mixture), block):
        begin = time.perf_counter()
        stream.push(mixture[start : start + block])
        slowest = max(slowest, time.perf_counter() - begin)
    stream.flush()
    return slowest
