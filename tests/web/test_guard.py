"""The server over real sockets: bodies that are too large, too slow or from nobody."""

from __future__ import annotations

import http.client
import json
import socket
import time

import pytest
from django.contrib.auth.models import User

from wavesep.web import access, guard
from wavesep.web.api import CHUNK
from wavesep.web.models import Song

from .conftest import WebServer

MB = 1_000_000


@pytest.fixture
def port(web: WebServer) -> int:
    """The port of a running server."""
    return web.port


def ask(
    port: int, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    """Send a request; return the status and the body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


def status_of_head(port: int, first: str, *headers: str) -> int:
    """Send the head of a request without its body; return the status of the answer."""
    head = "\r\n".join([f"{first} HTTP/1.1", "Host: localhost", *headers, "", ""])
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(head.encode())
        return int(connection.recv(1_000).split()[1])


def bearer(user: User) -> dict[str, str]:
    """Return the header with a new token of a user."""
    return {"Authorization": f"Bearer {access.new_token(user, 'test')}"}


def test_songs_arrive_and_others_are_turned_away(port: int, owner: User) -> None:
    known, chunk = bearer(owner), bytes(CHUNK)
    new = json.dumps({"name": "a", "bytes": len(chunk)}).encode()
    _, told = ask(port, "POST", "/api/v1/songs", new, **known)
    path = f"/api/v1/songs/{json.loads(told)['id']}/body"

    for line in ("X-Nothing: here", "Authorization: Bearer wrong"):
        assert status_of_head(port, f"PUT {path}", f"Content-Length: {CHUNK}", line) == 401
    status, told = ask(port, "PUT", path, chunk, **{"Upload-Offset": "0"}, **known)
    assert (status, json.loads(told)["offset"]) == (200, CHUNK)
    assert Song.objects.get().state == Song.State.BAD  # zeros are no song


def test_a_stated_length_is_refused_before_a_byte_of_it(port: int, owner: User) -> None:
    for path, limit in (("/healthz", guard.SMALL), ("/api/v1/songs", guard.SMALL)):
        assert status_of_head(port, f"POST {path}", f"Content-Length: {limit + 1}") == 413


def test_a_body_without_a_length_is_cut_off(port: int) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(
            b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        block = b"10000\r\n" + bytes(65_536) + b"\r\n"
        answer = b""
        connection.settimeout(0.01)
        while sent < 50 * MB and not answer:
            try:
                connection.sendall(block)
                sent += len(block)
            except (TimeoutError, ConnectionError):
                pass
            try:
                answer = connection.recv(1_000)
            except (TimeoutError, ConnectionError):
                continue
    assert answer.startswith(b"HTTP/1.1 413")
    assert sent < 10 * MB


def test_a_slow_body_is_cut_off_while_others_are_served(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "GRACE", 0.5)
    slow = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(50)]
    begin = time.monotonic()
    for connection in slow:
        connection.sendall(
            b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"
        )

    assert ask(port, "GET", "/healthz") == (200, b"ok\n")
    assert time.monotonic() - begin < 0.5 + 1
    for connection in slow:
        assert connection.recv(1_000).startswith(b"HTTP/1.1 408")
        connection.close()


def test_a_foreign_host_is_refused(port: int) -> None:
    assert ask(port, "GET", "/healthz", Host="evil.example")[0] == 400


def test_an_address_sends_so_many_requests() -> None:
    bucket, taken = guard.Bucket(0.0), 0
    while bucket.take(0.0):
        taken += 1
    assert taken == guard.BURST
    assert not bucket.is_full(1.0)
    assert sum(bucket.take(1.0) for _ in range(2 * guard.RATE)) == guard.RATE
    assert bucket.is_full(100.0)


def test_a_user_sends_four_bodies_at_a_time(port: int, owner: User) -> None:
    known = [f"{name}: {value}" for name, value in bearer(owner).items()]
    path = f"/api/v1/songs/{'0' * 8}-0000-4000-8000-{'0' * 12}/body"
    head = "\r\n".join([f"PUT {path} HTTP/1.1", "Host: localhost", "Content-Length: 2000000",
                        *known, "", ""]).encode()  # fmt: skip
    slow = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(guard.MOST_OF_USER)]
    for connection in slow:
        connection.sendall(head)
    time.sleep(0.5)
    status = status_of_head(port, f"PUT {path}", "Content-Length: 2000000", *known)
    for connection in slow:
        connection.close()
    assert status == 429
