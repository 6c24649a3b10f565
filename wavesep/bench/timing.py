"""Times that can be compared on a machine that others use too."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..audio import Audio

RATE = 44_100  # Hz
ROUNDS = 5
BUDGET = 150.0  # seconds, after which no new round begins
PAUSE = 0.25  # seconds, in which the threads of the function before stop waiting for work

P = ParamSpec("P")
T = TypeVar("T")

Row = dict[str, Any]  # of a table: a name and a value for each column
Times = dict[str, list[float]]  # seconds of each call


def alternate(functions: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> Times:
    """Time functions that have been warmed up, one after the other, round after round.

    What slows the machine down for a while slows them all down, so ratios of one round hold.
    """
    times: Times = {name: [] for name in functions}
    begin = time.perf_counter()
    for _ in range(rounds):
        for name, function in functions.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
        if time.perf_counter() - begin > BUDGET:
            break
    return times


def median(times: Times, name: str) -> float:
    """Return the seconds that a call of a function took: the median over the rounds."""
    return float(np.median(times[name]))


def ratio(times: Times, name: str, other: str) -> float:
    """Return how many times as long one function took as another: the median over the rounds."""
    return float(np.median(np.divide(times[name], times[other])))


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a fresh process, whose libraries know nothing of other measurements."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(function, *args, **kwargs).result()


def cores() -> int:
    """Return how many cores this process may use; every library takes as many threads."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def noise(samples: int, channels: int = 2) -> Audio:
    """Return white noise at -20 dB: what is in it does not matter to how long it takes."""
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((samples, channels))).astype(np.float32)
