"""Live separation over real sockets: the stems of a stream, and each refusal."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.web import allowances, guard, live, live_process
from wavesep.web.models import Allowance

from .conftest import CONFIG, WebServer
from .test_guard import bearer

RATE = 48_000
Open = Callable[..., ClientConnection]


@pytest.fixture(scope="module", autouse=True)
def separator(tiny_file: Path) -> Separator:
    """The model of the server."""
    shutil.copy(tiny_file, CONFIG.model)
    return Separator(CONFIG.model, threads=live_process.THREADS)


@pytest.fixture
def open_live(web: WebServer, owner: User) -> Iterator[Open]:
    """Connect as a user; the connections are closed at the end."""
    known = bearer(owner)
    with ExitStack() as connections:

        def open_one(query: str = "rate=48000&channels=2", **headers: str) -> ClientConnection:
            address = f"ws://127.0.0.1:{web.port}/ws/live?{query}"
            known_as = known | headers
            return connections.enter_context(
                connect(
                    address,
                    additional_headers=known_as,
                    compression=None,
                    max_queue=1,
                    close_timeout=0.2,
                )
            )

        yield open_one


def noise(samples: int, channels: int = 2) -> Audio:
    return np.random.default_rng(samples).uniform(-0.5, 0.5, (samples, channels)).astype("<f4")


def code_of(connection: ClientConnection) -> int:
    """Return the code with which the server closes a connection."""
    with suppress(ConnectionClosed):
        while True:
            connection.recv(10)
    assert connection.close_code is not None
    return connection.close_code


def greeted(connection: ClientConnection) -> ClientConnection:
    """Wait for the greeting of a server."""
    assert "latency_seconds" in json.loads(connection.recv(10))
    return connection


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(0, 8_000), min_size=1, max_size=8),
    rate=st.sampled_from([44_100, 48_000, 8_000]),
    channels=st.integers(1, 2),
)
def test_the_stems_are_those_of_a_stream(
    open_live: Open, separator: Separator, lengths: list[int], rate: int, channels: int
) -> None:
    blocks = [noise(length, channels) for length in lengths]
    stream = separator.stream(rate, channels)
    answers = [*map(stream.push, blocks), stream.flush()]
    expected = [np.concatenate([*answer.values()]) for answer in answers]

    connection = open_live(f"rate={rate}&channels={channels}")
    assert json.loads(connection.recv()) == {
        "latency_seconds": stream.latency / rate,
        "sources": list(separator.sources),
        "model": CONFIG.model,
    }
    for block in blocks:
        connection.send(block.tobytes())
    connection.send("end")
    got = [message for message in connection if isinstance(message, bytes)]

    assert connection.close_code == 1000
    wanted = [answer for answer in expected if len(answer)]
    assert len(got) == len(wanted)
    for message, answer in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(np.frombuffer(message, "<f4"), answer.ravel())


def test_the_cookie_of_a_session_is_enough(web: WebServer, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    cookie = client.cookies["wavesep_session"].value
    site = f"127.0.0.1:{web.port}"
    headers = {"Cookie": f"wavesep_session={cookie}", "Origin": f"http://{site}"}
    address = f"ws://{site}/ws/live?rate=48000&channels=1"
    with connect(address, additional_headers=headers) as connection:
        greeted(connection)


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [
        ("rate=48000&channels=2", {"Origin": "http://evil.example"}, 4403),
        ("rate=48000&channels=2", {"Origin": "null"}, 4403),
        ("rate=48000&channels=2", {"Authorization": "Bearer wrong"}, 4401),
        ("rate=48000&channels=2", {"Authorization": ""}, 4401),
        ("rate=7999&channels=2", {}, 4422),
        ("rate=192001&channels=2", {}, 4422),
        ("rate=48000.5&channels=2", {}, 4422),
        ("rate=48000&channels=3", {}, 4422),
        ("rate=48000&channels=0", {}, 4422),
        ("rate=48000", {}, 4422),
        ("", {}, 4422),
    ],
)
def test_who_may_not_begin(open_live: Open, query: str, headers: dict[str, str], code: int) -> None:
    assert code_of(open_live(query, **headers)) == code


def test_an_address_opens_so_many_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BURST", 2)
    monkeypatch.setattr(guard, "RATE", 0)
    seen: list[str] = []

    async def inner(*_: Any) -> None:
        seen.append("opened")

    async def send(message: guard.Message) -> None:
        seen.append(message["type"])

    async def open_three() -> None:
        guarded = guard.Guard(inner, lambda *_: 0, AsyncMock())
        for _ in range(3):
            await guarded({"type": "websocket", "client": ("203.0.113.5", 1)}, AsyncMock(), send)

    asyncio.run(open_three())
    assert seen == ["opened", "opened", "websocket.close"]


def test_there_is_no_other_socket(web: WebServer) -> None:
    with connect(f"ws://127.0.0.1:{web.port}/ws/other") as connection:
        assert code_of(connection) == 4404


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (bytes(7), 4422),
        (np.full((10, 2), np.nan, "<f4").tobytes(), 4422),
        (np.full((10, 2), -np.inf, "<f4").tobytes(), 4422),
        (np.full((10, 2), 1e6, "<f4").tobytes(), 4422),
        ("stop", 4422),
        (noise(RATE + 1).tobytes(), 4413),
    ],
    ids=["bytes", "nan", "infinite", "loud", "text", "long"],
)
def test_what_may_not_be_sent(open_live: Open, message: Any, code: int) -> None:
    connection = greeted(open_live())
    connection.send(message)
    assert code_of(connection) == code
    assert connection.close_reason


def test_a_block_may_last_a_second(open_live: Open) -> None:
    connection = greeted(open_live())
    connection.send(noise(RATE).tobytes())
    assert connection.recv(10)


def test_the_second_stream_waits_for_the_end_of_the_first(open_live: Open) -> None:
    first = greeted(open_live())
    assert code_of(open_live()) == 4429
    first.send("end")
    assert code_of(first) == 1000
    greeted(open_live())


def test_a_client_that_vanishes_frees_its_place(open_live: Open) -> None:
    lost = greeted(open_live())
    lost.send(noise(4_800).tobytes())
    # the connection is reset, as when a program is killed
    lost.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    lost.socket.shutdown(socket.SHUT_RDWR)
    lost.socket.close()
    wait_for_a_place(open_live)


def test_a_client_that_does_not_read_is_dropped(
    open_live: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.2)
    monkeypatch.setattr(live, "BACKLOG", 1.5)
    slow = greeted(open_live())
    with suppress(ConnectionClosed):
        for _ in range(20):  # more than the buffers of both sockets hold
            slow.send(noise(RATE).tobytes())
    wait_for_a_place(open_live)


def test_a_client_that_is_too_fast_is_dropped(
    open_live: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BACKLOG", 0.5)
    connection = greeted(open_live())
    connection.send(noise(RATE).tobytes())
    assert code_of(connection) == 4408
    assert "0.5 s of sound wait" in (connection.close_reason or "")


def wait_for_a_place(open_live: Open) -> None:
    """Wait until the server takes another stream."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            greeted(open_live())
            return
        except ConnectionClosed:
            time.sleep(0.05)
    raise AssertionError("the place is not free")


def test_a_process_that_dies_ends_its_stream_alone(open_live: Open) -> None:
    connection = greeted(open_live())
    found = subprocess.run(
        ["pgrep", "--parent", str(os.getpid()), "--full", "wavesep.web.processes live"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    os.kill(int(found.stdout), signal.SIGKILL)
    connection.send(noise(RATE).tobytes())
    assert code_of(connection) == 4500
    greeted(open_live())


def test_live_sound_counts_for_the_day(
    open_live: Open, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STORED", 1)
    Allowance.objects.create(user=owner, seconds_a_day=2.5)
    first = greeted(open_live())
    first.send(noise(RATE // 2).tobytes())
    first.send("end")
    assert code_of(first) == 1000
    assert allowances.seconds_today(owner) == 0.5

    second = greeted(open_live())
    for _ in range(3):
        second.send(noise(RATE).tobytes())
        time.sleep(0.1)  # it is counted while it comes
    assert code_of(second) == 4429
    assert second.close_reason == "2 s of audio a day are allowed: no more live sound today"
    assert allowances.seconds_today(owner) == 3.5
    assert code_of(open_live()) == 4429


def test_a_client_that_sends_nothing_is_dropped(
    open_live: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SILENCE", 0.2)
    assert code_of(greeted(open_live())) == 4408


def test_a_server_stops_while_it_streams(web: WebServer, open_live: Open) -> None:
    connection = greeted(open_live())
    connection.send(noise(RATE).tobytes())
    begin = time.monotonic()
    web.stop()
    assert time.monotonic() - begin < 5
    assert code_of(connection) == 1012
    web.start()
    greeted(open_live())
