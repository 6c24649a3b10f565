"""Requests to a server, which are repeated if they fail for a reason that may pass."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from ..errors import OptionError, RemoteError

BLOCK = 262_144  # bytes that are downloaded at a time
PATIENCE = 120.0  # seconds for which something that fails is tried again
TIMEOUT = 60.0  # seconds to wait for the next bytes
SHORT_TIMEOUT = 5.0  # the same for a request that only cleans up
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds between two requests
MAY_PASS = (408, 425, 429)  # and all from 500 on
NONE: dict[str, str] = {}

T = TypeVar("T")
Headers = Mapping[str, str]


class Passing(Exception):
    """A request failed for a reason that may pass.

    Attributes
    ----------
    pause : float
        Seconds after which the server wants the next try.
    """

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class Server:
    """Sends requests to a server; see `Client`."""

    def __init__(self, url: str, token: str, insecure: bool) -> None:
        parts = split_url(url)
        host = parts.hostname or ""
        if parts.scheme == "http" and not (insecure or is_loopback(host)):
            raise OptionError(f"{url} would get the token in clear: use https, or allow insecure")
        if not (token and token.isascii() and token.isprintable()):
            raise OptionError("the token is not one that a server gives: copy it whole")
        self._name = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._token = token
        # a proxy could read what is sent in clear, and does not know this machine's own addresses
        proxies = [ProxyHandler({})] if is_loopback(host) else []
        self._opener = build_opener(NoRedirects, *proxies)
        self._has_answered = False

    def ask(self, method: str, path: str, body: Any = None, headers: Headers = NONE) -> Any:
        """Send a request, if necessary several times, and return the answer; see `once`.

        Raises
        ------
        RemoteError
            If the server refuses it, or does not answer for too long.
        """
        return self.patiently(lambda: self.once(method, path, body, headers))

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Return what a function returns, after calling it again as long as it raises Passing.

        Before the first answer of the server, it is called once: the address may be wrong.

        Raises
        ------
        RemoteError
            If it still raises Passing after `PATIENCE`.
        """
        end, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        while True:
            try:
                return attempt()
            except Passing as error:
                wait = max(pause, error.pause)
                if not self._has_answered or time.monotonic() + wait > end:
                    raise RemoteError(str(error)) from error
            time.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    def once(
        self, method: str, path: str, body: Any = None, headers: Headers = NONE,
        timeout: float = TIMEOUT,
    ) -> Any:  # fmt: skip
        """Send a request and return the answer.

        Parameters
        ----------
        method, path : str
            The path below ``/api/v1``.
        body : bytes or JSON, optional
        headers : dict of str to str
        timeout : float
            In seconds.

        Returns
        -------
        JSON

        Raises
        ------
        Passing
            If it fails for a reason that may pass.
        RemoteError
            If the server refuses it.
        """
        is_raw = isinstance(body, bytes)
        kind = "application/octet-stream" if is_raw else "application/json"
        content = body if is_raw or body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind, **headers}
        with self._answer(method, path, content, headers, timeout) as answer:
            text = answer.read()
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            raise RemoteError(f"{self._name} is not a server of wavesep") from error

    def blocks(self, path: str, begin: int) -> Iterator[bytes]:
        """Yield a file from one of its bytes on.

        Raises
        ------
        Passing, RemoteError
            See `once`.
        """
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        with self._answer("GET", path, None, headers, TIMEOUT) as answer:
            skip = 0 if answer.status == HTTPStatus.PARTIAL_CONTENT else begin
            while block := answer.read(BLOCK):
                yield block[skip:]
                skip = max(skip - len(block), 0)
            if answer.length:
                raise Passing(f"{self._name} has closed the connection")

    @contextmanager
    def after_failure(self, method: str, path: str) -> Iterator[None]:
        """Send a request if the block raises any error, or is interrupted."""
        try:
            yield
        except BaseException:
            with suppress(RemoteError, Passing):
                self.once(method, path, timeout=SHORT_TIMEOUT)
            raise

    @contextmanager
    def _answer(
        self, method: str, path: str, body: bytes | None, headers: Headers, timeout: float
    ) -> Iterator[HTTPResponse]:
        """Open the answer to a request; see `once`."""
        headers = {"Authorization": f"Bearer {self._token}", **headers}
        request = Request(f"{self._name}/api/v1{path}", body, headers, method=method)
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                self._has_answered = True
                yield answer
        except HTTPError as error:
            self._has_answered = True
            raise self._problem(error) from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise Passing(f"{self._name} does not answer: {reason}") from error

    def _problem(self, error: HTTPError) -> Exception:
        """Return the error that a status and the text with it report."""
        with error:
            try:
                told = json.loads(error.read())
                code, message = str(told["code"]), str(told["message"])
            except (OSError, HTTPException, ValueError, LookupError, TypeError):
                code, message = "", f"it answers {error.code} {error.reason}"
        if error.headers["Location"]:
            message = f"it redirects to {error.headers['Location']}: give that address"
        message = f"{self._name}: {message}"
        if error.code in MAY_PASS or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            pause = error.headers["Retry-After"] or ""
            return Passing(message, float(pause) if pause.isdecimal() else 0.0)
        return RemoteError(message, code)


class NoRedirects(HTTPRedirectHandler):
    """Makes a redirect an error: the token is for one server only."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""


def split_url(url: str) -> SplitResult:
    """Return the parts of the address of a server.

    Raises
    ------
    OptionError
        If it is not one.
    """
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or "@" in url or " " in url or not (url.isascii() and url.isprintable()):
        raise OptionError(f"{url} is not the address of a server: write https://HOST")
    return parts


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
