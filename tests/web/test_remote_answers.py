"""The client of a server against scripted answers: what is refused, told and tried again."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from wavesep.cli import main
from wavesep.errors import OptionError, RemoteError
from wavesep.remote import Client, server

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def scripted() -> Iterator[tuple[str, list[Answer], list[str]]]:
    """A server that gives the answers of a list and notes what it is asked, with the token."""
    answers: list[Answer] = []
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['Authorization']}")
            status, headers, body = answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", answers, asked
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("token", ["", "two\nlines", "clé"])
def test_what_cannot_be_a_token_is_refused(token: str) -> None:
    with pytest.raises(OptionError, match="the token"):
        Client("https://stems.example.org", token)


@pytest.mark.parametrize(
    "url",
    ["", "stems.example.org", "file:///etc/passwd", "ftp://host", "https://", "https://a b",
     "https://me:secret@host", "http://[::1", "https://host:x", "https://hôte"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(OptionError, match="is not the address of a server"):
        Client(url, "t")


def test_the_token_does_not_travel_in_clear() -> None:
    for host in ("stems.example.org", "192.168.0.9", "localhost.example.org", "127.0.0.1.nip.io"):
        with pytest.raises(OptionError, match="in clear"):
            Client(f"http://{host}:8000", "t")
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
        Client(f"http://{host}", "t")
    Client("https://stems.example.org/wavesep/", "t")
    Client("http://stems.example.org", "t", insecure=True)


def test_no_server_at_all_is_told_at_once() -> None:
    begin = time.monotonic()
    with pytest.raises(RemoteError, match=r"http://127\.0\.0\.1:9 does not answer"):
        Client("http://127.0.0.1:9", "t").me()
    assert time.monotonic() - begin < 2


def test_a_server_that_goes_away_is_waited_for_but_not_for_ever(
    scripted: tuple[str, list[Answer], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.8)
    url, answers, asked = scripted
    remote = Client(url, "t")
    answers += [(200, {}, b"{}"), *[(503, {}, b"busy")] * 20]
    remote.me()

    begin = time.monotonic()
    with pytest.raises(RemoteError, match="503"):
        remote.jobs()
    assert 0.3 < time.monotonic() - begin < 2
    assert 3 < len(asked) < 9


def test_what_may_pass_is_tried_again(scripted: tuple[str, list[Answer], list[str]]) -> None:
    url, answers, _ = scripted
    answers += [(status, {}, b"") for status in (408, 503)]
    answers += [(200, {"Content-Length": "9"}, b"["), (200, {}, b"[]")]

    assert Client(url, "t").jobs() == []
    assert not answers


def test_a_busy_server_is_asked_when_it_wants(
    scripted: tuple[str, list[Answer], list[str]],
) -> None:
    url, answers, _ = scripted
    answers += [(429, {"Retry-After": "1"}, b""), (200, {}, b"[]")]

    begin = time.monotonic()
    assert Client(url, "t").jobs() == []
    assert time.monotonic() - begin > 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((403, {}, b"<html>"), "it answers 403 Forbidden"),
        ((404, {}, b'["x"]'), "it answers 404"),
        ((422, {}, b'{"code": "c", "message": "m"}'), "m"),
        ((200, {}, b"<html>"), "is not a server of wavesep"),
        ((429, {"Retry-After": "9999"}, b""), "429"),
        ((302, {"Location": "http://127.0.0.1:9/x"}, b""), "redirects to http://127"),
    ],
)
def test_what_does_not_pass_is_told_at_once(
    scripted: tuple[str, list[Answer], list[str]], answer: Answer, message: str
) -> None:
    url, answers, asked = scripted
    answers.append(answer)

    with pytest.raises(RemoteError, match=message):
        Client(f"{url}/below/", "secret").me()
    assert asked == ["/below/api/v1/me Bearer secret"]


def test_no_redirect_gets_the_token(scripted: tuple[str, list[Answer], list[str]]) -> None:
    url, answers, asked = scripted
    answers += [(307, {"Location": f"{url}/evil"}, b""), (200, {}, b"{}")]

    with pytest.raises(RemoteError, match="evil: give that address"):
        Client(url, "t").me()
    assert len(asked) == 1


def test_a_list_of_jobs_shows_how_far_they_are(
    scripted: tuple[str, list[Answer], list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    url, answers, _ = scripted
    job = {"title": "a\x1b[2Jb", "state": "running", "done": 1, "total": 3, "model": "vocals",
           "codec": "flac", "created": "2026-11-28T10:11:12Z", "error": ""}  # fmt: skip
    answers.append((200, {}, json.dumps([job]).encode()))

    assert main(["remote", "jobs", "--server", url, "--token", "t"]) == 0
    told = capfd.readouterr().out
    assert "running 33 %" in told
    assert "2026-11-28 10:11" in told
    assert "\x1b" not in told
