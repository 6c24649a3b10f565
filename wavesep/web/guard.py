"""The guard: it stands before Django and limits requests and their bodies.

Django writes the whole body of a request to the disk before it looks at it. The guard counts the
bytes as they arrive, refuses what is too large or too slow, and lets nobody without credentials
send a large body. It also refuses an address that sends too many requests.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .problems import Problem, unauthorised

Message = Mapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
UserOf = Callable[[Scope], Awaitable[int | None]]

SMALL = 1_000_000  # bytes of any body
GRACE = 2.0  # seconds before the pace of a body is measured
SLOWEST = 10_000  # bytes a second
MOST_BODIES = 64  # large bodies at a time
MOST_OF_USER = 4  # and of one user
RATE = 100  # requests of an address in a second
MOST_BUCKETS = 10_000  # addresses that are remembered
BURST = 500  # requests of an address at once


class Guard:
    """An ASGI application that limits the bodies of requests for another one.

    Parameters
    ----------
    inner : ASGI application
    largest : callable
        Returns how many bytes the body of a request may have, by its method and path.
    user_of : callable
        Returns the number of the user whose credentials a request has, or None; it is asked before
        a body that may have more than `SMALL` bytes is read.
    """

    def __init__(
        self, inner: Application, largest: Callable[[str, str], int], user_of: UserOf
    ) -> None:
        self._inner = inner
        self._largest = largest
        self._user_of = user_of
        self._bodies: Counter[int] = Counter()  # large ones that are being read, by user
        self._buckets: dict[str, Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "websocket" and not self._takes_request_of(scope):
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        limit = self._largest(scope["method"], scope["path"])
        if not self._takes_request_of(scope):
            await answer(send, busy("too many requests"))
        elif is_too_large(scope, limit):
            await answer(send, too_large(limit))
        elif limit <= SMALL:
            await self._pass_on(scope, receive, send, limit)
        else:
            await self._take_large(scope, receive, send, limit)

    async def _take_large(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        """Pass a request with a large body on, if its user is known and sends few others."""
        user = await self._user_of(scope)
        if user is None:
            await answer(send, unauthorised())
        elif self._bodies[user] >= MOST_OF_USER or self._bodies.total() >= MOST_BODIES:
            await answer(send, busy("too many uploads at a time"))
        else:
            self._bodies[user] += 1
            try:
                await self._pass_on(scope, receive, send, limit)
            finally:
                self._bodies[user] -= 1

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        """Pass a request on; answer it if its body turns out to be too large or too slow."""
        body, begun = Body(receive, limit), False

        async def remember(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        await self._inner(scope, body.receive, remember)
        if body.refusal and not begun:
            await answer(send, body.refusal)

    def _takes_request_of(self, scope: Scope) -> bool:
        """Return whether an address may send one more request; this machine always may."""
        address = (scope.get("client") or ("",))[0]
        if not address or ipaddress.ip_address(address).is_loopback:
            return True
        now = asyncio.get_running_loop().time()
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets = {a: b for a, b in self._buckets.items() if not b.is_full(now)}
        return self._buckets.setdefault(address, Bucket(now)).take(now)


class Bucket:
    """Counts the requests of an address: `BURST` at once, then `RATE` in a second."""

    def __init__(self, now: float) -> None:
        self._left, self._at = float(BURST), now

    def take(self, now: float) -> bool:
        """Return whether one more request is allowed, and count it."""
        self._left, self._at = self._refilled(now), now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def is_full(self, now: float) -> bool:
        """Return whether the address has been quiet."""
        return self._refilled(now) >= BURST

    def _refilled(self, now: float) -> float:
        return min(BURST, self._left + RATE * (now - self._at))


class Body:
    """The body of a request; it ends like a lost connection if it is too large or too slow.

    Attributes
    ----------
    refusal : Problem or None
        Why it ended.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self.refusal: Problem | None = None
        self._receive = receive
        self._limit = limit
        self._taken = 0
        self._is_whole = False
        self._begin = asyncio.get_running_loop().time()

    async def receive(self) -> Message:
        """Return the next message of the request."""
        if self._is_whole:  # what comes now is the end of the connection
            return await self._receive()
        spent = asyncio.get_running_loop().time() - self._begin
        patience = GRACE + self._taken / SLOWEST - spent
        try:
            message = await asyncio.wait_for(self._receive(), max(patience, 0.01))
        except TimeoutError:
            self.refusal = Problem(408, "too_slow", "the body arrives too slowly")
            return {"type": "http.disconnect"}
        self._taken += len(message.get("body", b""))
        if self._taken > self._limit:
            self.refusal = too_large(self._limit)
            return {"type": "http.disconnect"}
        self._is_whole = not message.get("more_body", False)
        return message


def is_too_large(scope: Scope, limit: int) -> bool:
    """Return whether a request states a length of more than ``limit`` bytes."""
    stated = dict(scope["headers"]).get(b"content-length", b"0")
    return stated.isdigit() and int(stated) > limit


def busy(what: str) -> Problem:
    """Return the refusal of one request among too many."""
    return Problem(429, "busy", f"{what}: wait for a second", {"Retry-After": "1"})


def too_large(limit: int) -> Problem:
    """Return the refusal of a body of more than ``limit`` bytes."""
    return Problem(413, "too_large", f"a body may have {limit:,} bytes here")


async def answer(send: Send, refusal: Problem) -> None:
    """Send a problem and close the connection."""
    body = json.dumps({"code": refusal.code, "message": refusal.message}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
