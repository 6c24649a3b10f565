"""Timing that allows comparison on a machine with other users."""

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
PAUSE = 0.25  # seconds, for the threads of the last function to stop waiting for work

P = ParamSpec("P")
T = TypeVar("T")

Row = dict[str, Any]  # of a table: a name and a value for each column
Times = dict[str, list[float]]  # seconds of each call


def alternate(functions: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> Times:
    """Time functions in turn, round after round; they should be warmed up.

    A load on the machine slows all functions of a round down, so ratios within a round are valid.
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
    """Return the seconds of one call of a function, the median over the rounds."""
    return float(np.median(times[name]))


def ratio(times: Times, name: str, other: str) -> float:
    """Return the ratio of the times of two functions, the median over the rounds."""
    return float(np.median(np.divide(times[name], times[other])))


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a new process, so that other measurements do not affect it."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(function, *args, **kwargs).result()


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def noise(samples: int, channels: int = 2) -> Audio:
    """Return white noise at -20 dB; the content of a mixture does not affect the speed."""
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((samples, channels))).astype(np.float32)
