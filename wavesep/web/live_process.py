"""Processes that separate live sound, so that the process that answers pages stays quick and small.

The server and such a process talk over pipes. A question is a letter, a length and as many bytes:
"b" begins a stream, with JSON; "p" pushes a block; "f" flushes the stream. The answer has the same
form: "a" is what was asked for, "r" is why the stream refuses it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import struct
import subprocess
import sys
import weakref
from contextlib import suppress
from typing import IO, Any, NamedTuple, cast

import numpy as np

from ..errors import WavesepError
from ..separator import Separator
from ..stream import Stream
from ..systems.pipeline import Stems
from .problems import Problem

log = logging.getLogger(__name__)

THREADS = 1  # of OpenVINO: one keeps up, and on a busy machine more are slower
HEADER = struct.Struct("<cI")
SAMPLE = np.dtype("<f4")


class Format(NamedTuple):
    """The samples of a stream."""

    rate: int
    channels: int

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return SAMPLE.itemsize * self.channels


class LiveProcess:
    """A process that separates one live stream at a time.

    Each method raises `Problem` if the process has died.

    Attributes
    ----------
    is_free : bool
        Whether no question waits for its answer. False after a failure.
    end : callable
        Ends the process; else it ends with this object or with the server.
    """

    def __init__(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "wavesep.web.processes", "live"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._questions = cast(IO[bytes], process.stdin)
        self._answers = cast(IO[bytes], process.stdout)
        self.is_free = True
        self.end = weakref.finalize(self, end, process)

    async def begin(self, form: Format) -> dict[str, Any]:
        """Begin a stream; return its latency in seconds, its sources and the model.

        Raises
        ------
        Problem
            If the model cannot be used.
        """
        letter, content = await self._ask(b"b", json.dumps(form._asdict()).encode())
        if letter == b"r":
            log.error("no live sound can be separated: %s", content.decode())
            raise Problem(500, "model", "the server cannot open its model")
        greeting: dict[str, Any] = json.loads(content)
        return greeting

    async def push(self, block: bytes) -> bytes:
        """Return the stems that a block makes ready, one after the other.

        Raises
        ------
        Problem
            If the samples are no sound.
        """
        letter, content = await self._ask(b"p", block)
        if letter == b"r":
            raise Problem(422, "invalid", content.decode())
        return content

    async def flush(self) -> bytes:
        """Return the rest of the stems, and end the stream."""
        return (await self._ask(b"f", b""))[1]

    async def _ask(self, letter: bytes, content: bytes) -> tuple[bytes, bytes]:
        # set before the thread begins: a stream that stops waiting must not find the process free
        self.is_free = False
        answer = await asyncio.to_thread(self._exchange, letter, content)
        if answer is None:
            raise Problem(500, "crashed", "the live separation has ended: connect again")
        return answer

    def _exchange(self, letter: bytes, content: bytes) -> tuple[bytes, bytes] | None:
        """Return the answer to a question, or None if the process has died."""
        try:
            write(self._questions, letter, content)
            answer = read(self._answers)
        except OSError:
            return None
        self.is_free = answer is not None
        return answer


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process at once; a question that waits for its answer fails."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what was not sent cannot be sent
            cast(IO[bytes], pipe).close()


def answer_questions(model: str) -> None:
    """Answer the server over standard input and output until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    separating = Separating(model)
    while (question := read(sys.stdin.buffer)) is not None:
        try:
            write(answers, b"a", separating.answer(*question))
        except WavesepError as error:
            write(answers, b"r", str(error).encode())


class Separating:
    """The stream of a live process.

    Parameters
    ----------
    model : str
        It is opened by the first stream.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._separator: Separator | None = None
        self._stream: Stream

    def answer(self, letter: bytes, content: bytes) -> bytes:
        """Answer a question.

        Raises
        ------
        WavesepError
            If the model cannot be used, or the samples are no sound.
        """
        if letter == b"b":
            return json.dumps(self._begin(Format(**json.loads(content)))).encode()
        if letter == b"p":
            block = np.frombuffer(content, SAMPLE).reshape(-1, self._stream.channels)
            return joined(self._stream.push(block.astype(np.float32)))
        return joined(self._stream.flush())

    def _begin(self, form: Format) -> dict[str, Any]:
        if self._separator is None:
            self._separator = Separator(self._model, threads=THREADS)
        self._stream = self._separator.stream(*form)
        return {
            "latency_seconds": self._stream.latency / form.rate,
            "sources": self._stream.sources,
            "model": self._model,
        }


def joined(stems: Stems) -> bytes:
    """Return the samples of all stems, one stem after the other."""
    return b"".join(stem.astype(SAMPLE).tobytes() for stem in stems.values())


def write(pipe: IO[bytes], letter: bytes, content: bytes) -> None:
    """Write a question or an answer."""
    pipe.write(HEADER.pack(letter, len(content)) + content)
    pipe.flush()


def read(pipe: IO[bytes]) -> tuple[bytes, bytes] | None:
    """Read a question or an answer; None if the pipe has ended."""
    header = pipe.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    letter, length = HEADER.unpack(header)
    content = pipe.read(length)
    return (letter, content) if len(content) == length else None
