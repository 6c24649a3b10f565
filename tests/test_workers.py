"""Workers meet, or each is told in one line why not."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import keras
import pytest

from wavesep import workers
from wavesep.cli.workers import free_port
from wavesep.errors import OptionError, WorkerError
from wavesep.workers import meet


@pytest.fixture(autouse=True)
def short_meeting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait one second for others, and one for a word."""
    monkeypatch.setattr(workers, "MEETING", 1.0)
    monkeypatch.setattr(workers, "ANSWERING", 1.0)


def met(*ranks: int, count: int, port: int | None = None) -> list[str]:
    """Return what each worker is told; nothing if all have met."""
    port = port or free_port()
    with ThreadPoolExecutor(len(ranks)) as threads:
        futures: list[Future[None]] = [
            threads.submit(meet, "127.0.0.1", port, count, rank) for rank in ranks
        ]
    return [str(future.exception() or "") for future in futures]


def test_workers_meet_in_any_order() -> None:
    assert met(2, 1, 0, 3, count=4) == [""] * 4


def test_the_port_is_free_after_the_meeting() -> None:
    port = free_port()

    assert met(0, 1, count=2, port=port) == ["", ""]
    assert met(0, 1, count=2, port=port) == ["", ""]


def test_missing_workers_are_named() -> None:
    told = "of 4 workers, 1, 3 did not come in 1 s"
    assert met(0, 2, count=4) == [told, told]


def test_a_coordinator_that_is_away_is_told() -> None:
    port = free_port()
    assert met(1, count=2, port=port) == [
        f"worker 0 does not answer at 127.0.0.1:{port}: Connection refused"
    ]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert met(0, count=2, port=port) == [
            f"worker 0 cannot use port {port}: Address already in use; choose another port"
        ]


def test_two_workers_of_one_rank_are_told() -> None:
    told = "two workers have rank 1: each needs its own"
    first, *others = met(0, 1, 1, count=3)
    assert first == told
    assert others == [told, told]


def test_another_number_of_workers_is_told() -> None:
    port = free_port()
    told = "a worker has rank 2 of 3, but worker 0 expects 2 workers"
    with ThreadPoolExecutor(2) as threads:
        zero = threads.submit(meet, "127.0.0.1", port, 2, 0)
        other = threads.submit(meet, "127.0.0.1", port, 3, 2)
    assert [str(zero.exception()), str(other.exception())] == [told, told]


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"7\n", b"[null, 2]\n"])
def test_what_is_no_worker_is_left_out(said: bytes) -> None:
    port = free_port()

    def intrude() -> None:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(said)
                return
            except OSError:
                time.sleep(0.01)

    stranger = threading.Thread(target=intrude)
    stranger.start()
    with ThreadPoolExecutor(2) as threads:
        zero = threads.submit(meet, "127.0.0.1", port, 2, 0)
        stranger.join()
        one = threads.submit(meet, "127.0.0.1", port, 2, 1)
    assert (zero.result(), one.result()) == (None, None)


@pytest.mark.parametrize(("backend", "told"), [("tensorflow", "20585"), ("torch", "PyTorch yet")])
def test_other_backends_are_refused(
    backend: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)

    with pytest.raises(OptionError, match=rf"{told}.*: set KERAS_BACKEND=jax"):
        workers.check_backend()


@pytest.mark.xfail(reason="Keras does not distribute PyTorch yet: remove the refusal when it does")
def test_keras_distributes_pytorch() -> None:
    source = keras.__path__[0]
    assert (Path(source) / "src/backend/torch/distribution_lib.py").exists()


def test_alone_this_is_worker_0_of_1() -> None:
    assert workers.place() == (0, 1)
    assert workers.rows(3) == range(3)
    assert workers.shared(b"content") == b"content"
    workers.check_same({"epochs": 3})


def test_other_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "shared", lambda _: b'{"epochs": 3, "seed": 1}')

    with pytest.raises(WorkerError, match="worker 0 has epochs=3, this worker has 4"):
        workers.check_same({"epochs": 4, "seed": 1})
