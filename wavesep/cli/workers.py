"""The workers of ``wavesep train --workers N`` on this machine: processes that start again."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from ..errors import WorkerError
from ..workers import LOST

RESTARTS = 3
LOOK = 0.2  # seconds between two looks at the processes
GRACE = 2.0  # seconds in which the others end after the first, and tell why
PATIENCE = 15.0  # seconds for worker 0 to end after a signal: it ends its step first
SUPERVISED = "WAVESEP_SUPERVISED"  # the environment variable that workers started here have
START = "from wavesep.cli.workers import work; work()"

log = logging.getLogger(__name__)


def supervise(argv: Sequence[str], workers: int) -> int:
    """Train with workers on this machine; if one dies, all start again from the checkpoint.

    Parameters
    ----------
    argv : sequence of str
        The arguments of ``wavesep``, with the command.
    workers : int, >= 2

    Returns
    -------
    int
        The exit code of the command.

    Raises
    ------
    WorkerError
        If a worker dies after the third restart.
    """
    for restarts in range(RESTARTS + 1):
        codes = train_once(argv, workers)
        if not any(codes):
            return 0
        if wrong := [code for code in codes if code and has_told(code)]:
            return wrong[0]
        said = ended(codes)
        if restarts < RESTARTS:
            log.warning("%s: all workers start again from the checkpoint", said)
    raise WorkerError(f"{said}, after {RESTARTS} restarts: the checkpoint is kept")


def ended(codes: Sequence[int | None]) -> str:
    """Tell which worker has died."""
    for rank, code in enumerate(codes):
        if code is not None and code < 0:
            return f"worker {rank} has died ({signal.Signals(-code).name})"
    return "the workers have lost each other"


def train_once(argv: Sequence[str], workers: int) -> list[int | None]:
    """Run the workers until all have ended or one has failed; return their exit codes.

    The code of a worker that still ran is None.
    """
    with team(argv, workers) as children:
        while True:
            codes = [child.process.poll() for child in children]
            if any(codes):
                time.sleep(GRACE)
                codes = [child.process.poll() for child in children]
            if any(codes) or None not in codes:
                break
            time.sleep(LOOK)
        if not has_told(codes[0]):  # else all have found the same
            for child, code in zip(children, codes, strict=True):
                child.report(code)
        return codes


def has_told(code: int | None) -> bool:
    """Tell if a worker has ended with an error of its own, and said which."""
    return code is not None and code > 0 and code != LOST


@dataclass(frozen=True)
class Child:
    """A worker's process, and a file with its messages unless it is worker 0."""

    rank: int
    process: subprocess.Popen[bytes]
    messages: IO[bytes] | None

    def report(self, code: int | None) -> None:
        """Show the last message of a worker that has failed by itself."""
        if self.messages and has_told(code):
            self.messages.seek(0)
            lines = self.messages.read().decode(errors="replace").splitlines()
            log.error("worker %d: %s", self.rank, lines[-1] if lines else f"exit code {code}")


@contextmanager
def team(argv: Sequence[str], workers: int) -> Iterator[list[Child]]:
    """Start the workers; at the end, end those that still run."""
    coordinator = f"127.0.0.1:{free_port()}"
    threads = str(max((os.cpu_count() or 1) // workers, 1))
    environment = {"OMP_NUM_THREADS": threads, "NPROC": threads} | os.environ  # NPROC is XLA's
    environment[SUPERVISED] = "1"
    with ExitStack() as stack:
        children: list[Child] = []
        stack.callback(end, children)
        for rank in range(workers):
            messages = stack.enter_context(tempfile.TemporaryFile()) if rank else None
            process = subprocess.Popen(
                [sys.executable, "-c", START, argv[0], "--coordinator", coordinator,
                 "--rank", str(rank), *argv[1:]],
                env=environment, stdin=subprocess.PIPE, stderr=messages,
                stdout=subprocess.DEVNULL if rank else None,
                start_new_session=True,  # Ctrl-C reaches this process alone
            )  # fmt: skip
            children.append(Child(rank, process, messages))
        yield children


def end(children: Sequence[Child]) -> None:
    """End the processes: worker 0 ends its files first, the others have none."""
    try:
        if children:
            children[0].process.terminate()
            with suppress(subprocess.TimeoutExpired):
                children[0].process.wait(PATIENCE)
    finally:
        for child in children:
            child.process.kill()
            child.process.communicate()


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def work() -> None:
    """Run the command line in this process; end when the process that started it has ended."""

    def follow() -> None:
        os.read(0, 1)  # until the pipe closes; sys.stdin would be locked at the end
        os._exit(LOST)

    threading.Thread(target=follow, daemon=True).start()
    from ..__main__ import run

    run()
