"""Several workers train one network: each is a process that computes its share of every batch.

All workers hold the same weights. Keras's `DataParallel` computes the loss and the gradient of the
whole batch with JAX, on all devices of all processes.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib import import_module
from io import BufferedRWPair
from typing import Any

from .errors import OptionError, WorkerError

MEETING = 25.0  # seconds for all workers to meet
ANSWERING = 5.0  # seconds to wait for a word at the meeting
CONNECTING = 60  # seconds from there until JAX has connected them, while Keras is loaded
SILENCE = 30  # seconds without a sign of life after which JAX takes a worker for dead
PARTING = 10  # seconds for all workers to end after the first
PAUSE = 0.2  # seconds between two attempts to reach worker 0
LONGEST = 1_000  # bytes of a message at the meeting
LOOPBACK = ("127.0.0.1", "localhost")

LOST = 3  # exit code of a worker that has lost the others
# in JAX's errors of several types
LOSS = re.compile("gloo|nccl|coordination service", re.IGNORECASE)

REFUSALS = {
    "tensorflow": "Keras does not train on several workers with TensorFlow (Keras issue 20585)",
    "torch": "Keras does not train on several workers with PyTorch yet",
}


def check_backend() -> None:
    """Check that Keras's backend can train on several workers.

    Raises
    ------
    OptionError
        If it is not JAX.
    """
    backend = import_module("keras").backend.backend()
    if backend != "jax":
        raise OptionError(f"{REFUSALS.get(backend, backend)}: set KERAS_BACKEND=jax")


def meet(host: str, port: int, workers: int, rank: int) -> None:
    """Wait until all workers are there; worker 0 listens at the address.

    JAX itself aborts the process if a worker does not come, and does not say which.

    Parameters
    ----------
    host, port : str, int
        Of worker 0.
    workers : int
        Number of workers.
    rank : int, in [0, workers)
        Of this worker.

    Raises
    ------
    WorkerError
        If worker 0 cannot listen or be reached, a worker does not come, or two have the same rank.
    """
    if rank:
        greet(host, port, workers, rank)
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server((listening(host), port)))
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise WorkerError(
                f"worker 0 cannot use port {port}: {why}; choose another port"
            ) from error
        answers: dict[int, BufferedRWPair] = {}
        fault = receive(server, workers, answers, stack)
        for answer in answers.values():
            with suppress(OSError):
                answer.write(json.dumps(fault).encode() + b"\n")
                answer.flush()
                answer.read()  # until the other side closes: so the port is free at once
    if fault:
        raise WorkerError(fault)


def listening(host: str) -> str:
    """Return the address that worker 0 listens at; other machines cannot reach loopback."""
    return "127.0.0.1" if host in LOOPBACK else ""


def receive(
    server: socket.socket, workers: int, answers: dict[int, BufferedRWPair], stack: ExitStack
) -> str | None:
    """Wait for all other workers and keep their connections; return what is wrong, if anything."""
    until = time.monotonic() + MEETING
    while len(answers) < workers - 1:
        server.settimeout(max(until - time.monotonic(), 0.01))
        try:
            connection, _ = server.accept()
        except TimeoutError:
            missing = [str(rank) for rank in range(1, workers) if rank not in answers]
            return f"of {workers} workers, {', '.join(missing)} did not come in {MEETING:.0f} s"
        stack.enter_context(connection).settimeout(ANSWERING)
        file = stack.enter_context(connection.makefile("rwb"))
        try:
            rank, count = map(int, json.loads(file.readline(LONGEST)))
        except (OSError, TypeError, ValueError):  # this is no worker
            continue
        if count != workers or rank not in range(1, workers) or rank in answers:
            answers[-1] = file
            if rank in answers:
                return f"two workers have rank {rank}: each needs its own"
            return f"a worker has rank {rank} of {count}, but worker 0 expects {workers} workers"
        answers[rank] = file
    return None


def greet(host: str, port: int, workers: int, rank: int) -> None:
    """Tell worker 0 that this worker is there, and wait for the others.

    Raises
    ------
    WorkerError
        If worker 0 cannot be reached, or says that something is wrong.
    """
    until = time.monotonic() + MEETING
    while True:
        try:
            patience = max(until - time.monotonic(), PAUSE)
            connection = socket.create_connection((host, port), timeout=patience)
            break
        except OSError as error:
            if time.monotonic() > until:
                raise WorkerError(
                    f"worker 0 does not answer at {host}:{port}: {error.strerror or error}"
                ) from error
            time.sleep(PAUSE)
    try:
        connection.settimeout(MEETING + ANSWERING)
        with closing(connection), connection.makefile("rwb") as file:
            file.write(json.dumps([rank, workers]).encode() + b"\n")
            file.flush()
            fault = json.loads(file.readline(LONGEST))
    except (OSError, ValueError) as error:
        raise WorkerError(f"worker 0 at {host}:{port} has ended") from error
    if fault:
        raise WorkerError(fault)


@contextmanager
def joined(host: str, port: int, workers: int, rank: int, device: int | None) -> Iterator[None]:
    """Make this process one of several workers; networks that are built inside are distributed.

    Parameters
    ----------
    host, port, workers, rank
        See `meet`, which comes first.
    device : int, optional
        The GPU that this worker uses. Default: every GPU of the machine.

    Raises
    ------
    OptionError
        If Keras's backend is not JAX.
    WorkerError
        If another worker ends before this one.
    """
    check_backend()
    keras, jax = import_module("keras"), import_module("jax")
    # it would take SIGTERM from Python
    jax.config.update("jax_enable_preemption_service", False)
    # else any machine of the network could connect
    bind = f"{host}:{port}" if host in LOOPBACK else None
    try:
        jax.distributed.initialize(
            f"{host}:{port}", workers, rank, None if device is None else [device],
            initialization_timeout=CONNECTING, heartbeat_timeout_seconds=SILENCE,
            shutdown_timeout_seconds=PARTING, coordinator_bind_address=bind,
        )  # fmt: skip
        with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
            shared(b"")  # connects all
            yield
    except BaseException as error:
        lost = LOSS.search(str(error))
        # JAX would wait for the other workers, and they for this one
        atexit.register(os._exit, LOST if lost else 1)
        if lost:
            raise WorkerError("another worker has ended") from error
        raise


def place() -> tuple[int, int]:
    """Return the rank of this worker and the number of workers; alone, that is (0, 1)."""
    distribution = import_module("keras").distribution.distribution()
    if distribution is None:
        return 0, 1
    return distribution.data_shard_id, distribution.num_processes


def rows(batch_size: int) -> range:
    """Return the rows of a batch that this worker computes.

    Raises
    ------
    OptionError
        If the workers' devices cannot have equal shares.
    """
    rank, workers = place()
    if workers > 1:
        devices = import_module("keras").distribution.distribution().num_model_replicas
        if batch_size % devices:
            raise OptionError(
                f"{devices} devices cannot have equal shares of {batch_size} mixtures: "
                f"choose a multiple of {devices}"
            )
    share = batch_size // workers
    return range(rank * share, (rank + 1) * share)


def shared(content: bytes) -> bytes:
    """Return what worker 0 gives, when all workers have called this."""
    rank, workers = place()
    if workers == 1:
        return content
    broadcast = import_module("jax.experimental.multihost_utils").broadcast_one_to_all
    np = import_module("numpy")
    size = int(broadcast(np.uint32(len(content))))
    given = np.frombuffer(content, np.uint8) if rank == 0 else np.zeros(size, np.uint8)
    received: bytes = np.asarray(broadcast(given)).tobytes()
    return received


def check_same(settings: dict[str, Any]) -> None:
    """Check that this worker has the settings of worker 0.

    Parameters
    ----------
    settings : dict
        In the types of JSON.

    Raises
    ------
    WorkerError
        If they differ.
    """
    theirs = json.loads(shared(json.dumps(settings).encode()))
    if other := [name for name in settings if settings[name] != theirs.get(name)]:
        raise WorkerError(
            f"worker 0 has {other[0]}={theirs.get(other[0])}, this worker has "
            f"{settings[other[0]]}: start all workers with the same options"
        )


@contextmanager
def alone() -> Iterator[None]:
    """Open a scope in which Keras computes in this process only."""
    distribution = import_module("keras").distribution
    before: Any = distribution.distribution()
    distribution.set_distribution(None)
    try:
        yield
    finally:
        distribution.set_distribution(before)
