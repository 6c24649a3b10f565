"""Live separation: a client sends blocks of sound over a WebSocket and gets their stems back.

The address is ``/ws/live?rate=48000&channels=2``. The server first sends a JSON text with
``latency_seconds``, ``sources`` and ``model``. Then the client sends binary blocks of at most one
second: float32 samples, little-endian, with the channels interleaved. For each block the server
sends the samples that are ready, if there are any: one binary message with all stems, one after the
other in the order of ``sources``. At the text "end" it sends the rest, ``latency_seconds`` long, in
one message and closes the connection.

A refusal closes the connection with the code 4000 plus a status of HTTP, and a reason for people.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async

from . import allowances
from .config import Config
from .guard import Application, Message, Receive, Scope, Send, UserOf
from .live_process import Format, LiveProcess
from .models import LiveUse
from .problems import Problem, not_found, unauthorised

PATH = "/ws/live"
RATES = (8_000, 192_000)  # Hz
LONGEST_BLOCK = 1.0  # seconds
MOST_BLOCKS = 1_000  # that wait; then no more are read
BACKLOG = 5.0  # seconds of sound that wait, at most
SILENCE = 15.0  # seconds without a block, at most, so that nobody keeps a place for nothing
PATIENCE = 5.0  # seconds for a client to read the end
STORED = 10  # seconds of sound after which they are counted in the database
LONGEST_REASON = 123  # bytes, in the protocol


class Live:
    """An ASGI application that separates live sound; it passes HTTP on to another application.

    Parameters
    ----------
    config : Config
    inner : ASGI application
    user_of : callable
        Returns the number of the user whose credentials a request has, or None.
    """

    def __init__(self, config: Config, inner: Application, user_of: UserOf) -> None:
        self._config = config
        self._inner = inner
        self._user_of = user_of
        self._open = 0  # streams
        self._idle: list[LiveProcess] = []  # they wait for the next streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a client until it ends or goes."""
        if scope["type"] != "websocket":
            await self._inner(scope, receive, send)
            return
        await receive()  # that it connects
        await send({"type": "websocket.accept"})  # browsers hide why they are not accepted
        with suppress(OSError):  # the client has gone
            try:
                if await self._serve(scope, receive, send):
                    await close(send, 1000)
            except Problem as problem:
                await close(send, 4000 + problem.status, problem.message)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Separate what a client sends; return whether it has ended the sound, or else gone.

        Raises
        ------
        Problem
            If the client is refused or dropped.
        """
        check_origin(scope)
        if scope["path"] != PATH:
            raise not_found()
        user = await self._user_of(scope)
        if user is None:
            raise unauthorised()
        form = format_of(scope)
        if self._open >= self._config.most_live:
            raise Problem(429, "busy", "the server separates other live sound: try again later")
        self._open += 1
        try:
            meter = await Meter.begin(user, form.rate)
            process = self._idle.pop() if self._idle else LiveProcess()
            try:
                greeting = await process.begin(form)
                await send({"type": "websocket.send", "text": json.dumps(greeting)})
                return await Conversation(process, form, meter, receive, send).run()
            finally:
                self._put_back(process)
                await meter.store()
        finally:
            self._open -= 1

    def _put_back(self, process: LiveProcess) -> None:
        """Keep a process for the next stream, or end one that has died or still works."""
        if process.is_free:
            self._idle.append(process)
        else:
            process.end()


class Meter:
    """Counts the sound of a stream for the allowance of its user."""

    def __init__(self, use: LiveUse, rate: int) -> None:
        self._use = use
        self._rate = rate
        self._samples = 0

    @classmethod
    async def begin(cls, user: int, rate: int) -> Meter:
        """Begin to count.

        Raises
        ------
        Problem
            If the user had too much separated today.
        """
        return cls(await sync_to_async(allowances.begin_live)(user), rate)

    async def count(self, samples: int) -> None:
        """Count samples; store them now and then.

        Raises
        ------
        Problem
            If the user had too much separated today.
        """
        before, self._samples = self._samples, self._samples + samples
        if before // (STORED * self._rate) < self._samples // (STORED * self._rate):
            await self.store()
            await sync_to_async(allowances.check_live)(self._use.user_id)

    async def store(self) -> None:
        """Store what has been counted."""
        self._use.seconds = self._samples / self._rate
        await sync_to_async(self._use.save)()


class Conversation:
    """Reads the blocks of a client and answers them, at the same time.

    So a client that has gone is seen during a step, and one that does not read its stems is
    dropped.
    """

    def __init__(
        self, process: LiveProcess, form: Format, meter: Meter, receive: Receive, send: Send
    ) -> None:
        self._process = process
        self._form = form
        self._meter = meter
        self._receive = receive
        self._send = send
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_BLOCKS)
        self._waiting = 0  # samples that were received and are not answered

    async def run(self) -> bool:
        """Separate until the end; return whether the client has ended the sound, or else gone.

        Raises
        ------
        Problem
            If a block is invalid, or the client is too slow, silent or out of its allowance.
        OSError
            If the client goes while something is sent to it.
        """
        reading = asyncio.create_task(self._read())
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait((reading, answering), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
            if not await reading:
                return False
            await asyncio.wait_for(answering, PATIENCE + BACKLOG)
            return True
        except TimeoutError:
            raise too_slow() from None
        finally:
            reading.cancel()
            answering.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)

    async def _read(self) -> bool:
        """Take blocks; return whether the client has ended the sound, or else gone."""
        while True:
            message = await self._next_message()
            if message["type"] == "websocket.disconnect":
                return False
            if message.get("text") == "end":
                await self._blocks.put(None)
                return True
            block = block_of(message, self._form)
            samples = len(block) // self._form.frame
            self._waiting += samples
            if self._waiting > BACKLOG * self._form.rate:
                raise too_slow()
            await self._blocks.put(block)
            await self._meter.count(samples)

    async def _next_message(self) -> Message:
        try:
            return await asyncio.wait_for(self._receive(), SILENCE)
        except TimeoutError:
            raise Problem(408, "silent", f"no sound has come for {SILENCE:.0f} s") from None

    async def _answer(self) -> None:
        """Send the stems of all blocks."""
        while (block := await self._blocks.get()) is not None:
            await self._send_stems(await self._process.push(block))
            self._waiting -= len(block) // self._form.frame
        await self._send_stems(await self._process.flush())

    async def _send_stems(self, stems: bytes) -> None:
        if stems:
            await self._send({"type": "websocket.send", "bytes": stems})


def check_origin(scope: Scope) -> None:
    """Refuse a page of another site. Programs that are no browsers send no origin.

    Raises
    ------
    Problem
        If the origin is not the host that was called.
    """
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is not None and origin.partition(b"://")[2] != headers.get(b"host"):
        raise Problem(403, "origin", "pages of other sites may not use this server")


def format_of(scope: Scope) -> Format:
    """Return the sample rate and the number of channels that a client asks for.

    Raises
    ------
    Problem
        If they are missing or out of range.
    """
    asked = parse_qs(scope["query_string"].decode("ascii", "replace"))
    try:
        rate, channels = (int(asked[name][0]) for name in ("rate", "channels"))
    except (KeyError, ValueError):
        raise Problem(422, "invalid", "ask for ?rate=48000&channels=2, as whole numbers") from None
    lowest, highest = RATES
    if not lowest <= rate <= highest:
        raise Problem(422, "invalid", f"rate: it must be from {lowest} to {highest} Hz")
    if channels not in (1, 2):
        raise Problem(422, "invalid", "channels: it must be 1 or 2")
    return Format(rate, channels)


def block_of(message: Message, form: Format) -> bytes:
    """Return the samples of a message.

    Raises
    ------
    Problem
        If it has none, or too many.
    """
    content: bytes | None = message.get("bytes")
    if content is None:
        raise Problem(422, "invalid", 'send binary blocks, or the text "end"')
    if len(content) % form.frame:
        raise Problem(422, "invalid", f"a block must be a multiple of {form.frame} bytes")
    if len(content) > LONGEST_BLOCK * form.rate * form.frame:
        raise Problem(413, "too_large", f"a block may last {LONGEST_BLOCK:g} s")
    return content


def too_slow() -> Problem:
    """Return why a client is dropped that does not keep up."""
    return Problem(408, "too_slow", f"more than {BACKLOG:g} s of sound wait: the client is dropped")


async def close(send: Send, code: int, reason: str = "") -> None:
    """Close a connection; a client that does not read does not hold this up."""
    reason = reason.encode()[:LONGEST_REASON].decode(errors="ignore")
    message = {"type": "websocket.close", "code": code, "reason": reason}
    await asyncio.wait_for(send(message), PATIENCE)
