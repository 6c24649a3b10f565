"""The guard: it stands before Django and limits the bodies of requests.

Django writes the whole body of a request to the disk before it looks at it. The guard counts the
bytes as they arrive, refuses what is too large or too slow, and lets nobody without credentials
send a large body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .problems import Problem, unauthorised

Message = Mapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
IsKnown = Callable[[Scope], Awaitable[bool]]

SMALL = 1_000_000  # bytes of any body
GRACE = 2.0  # seconds before the pace of a body is measured
SLOWEST = 10_000  # bytes a second


class Guard:
    """An ASGI application that limits the bodies of requests for another one.

    Parameters
    ----------
    inner : ASGI application
    largest : callable
        Returns how many bytes the body of a request may have, by its method and path.
    is_known : callable
        Tells whether a request has valid credentials; it is asked before a body of more than
        `SMALL` bytes is read.
    """

    def __init__(
        self, inner: Application, largest: Callable[[str, str], int], is_known: IsKnown
    ) -> None:
        self._inner = inner
        self._largest = largest
        self._is_known = is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        limit = self._largest(scope["method"], scope["path"])
        refusal = await self._refusal(scope, limit)
        if refusal is None:
            body, begun = Body(receive, limit), False

            async def remember(message: Message) -> None:
                nonlocal begun
                begun = True
                await send(message)

            await self._inner(scope, body.receive, remember)
            refusal = None if begun else body.refusal
        if refusal:
            await answer(send, refusal)

    async def _refusal(self, scope: Scope, limit: int) -> Problem | None:
        """Return why no byte of the body is read, or None."""
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > limit:
            return too_large(limit)
        if limit > SMALL and not await self._is_known(scope):
            return unauthorised()
        return None


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


def too_large(limit: int) -> Problem:
    """Return the refusal of a body of more than ``limit`` bytes."""
    return Problem(413, "too_large", f"a body may have {limit:,} bytes here")


async def answer(send: Send, refusal: Problem) -> None:
    """Send a problem and close the connection."""
    body = json.dumps({"code": refusal.code, "message": refusal.message}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
