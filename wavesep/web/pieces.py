"""Previews in a store: what a file has grown by is put there as a new piece, every few seconds.

::

    stems/ID/ATTEMPT/growing/NAME.BEGIN-END      bytes of the file NAME

An attempt that was handed back and begins again cuts the same bytes into other pieces, and a piece
whose writing seemed to fail may be there. So pieces may overlap, but they never contradict.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import WavesepError
from . import storage

log = logging.getLogger(__name__)

PIECE = re.compile(r"(.+)\.(\d{12})-(\d{12})")
PAUSES = (0.25, 4.0)  # seconds between two looks for new bytes: at first, and at most
LARGEST = 4_000_000  # bytes of a piece; a player asks for fewer at a time

Piece = tuple[int, int]  # the begin and the end


@contextmanager
def sending(folder: Path) -> Iterator[None]:
    """Send the previews in a folder while they grow, in a thread, if there is a store."""
    if not storage.STORE:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=send, args=(folder, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def send(folder: Path, ended: threading.Event) -> None:
    """Send what is new until an event is set. A preview is not worth an error."""
    sent: dict[Path, int] = {}
    pause, most = PAUSES
    while not ended.wait(pause):
        try:
            if send_new(folder, sent):
                pause = min(2 * pause, most)
        except (WavesepError, OSError) as error:
            log.warning("a preview is late: %s", error)
            pause = most


def send_new(folder: Path, sent: dict[Path, int]) -> bool:
    """Send the bytes that files of previews have got; return whether there were any.

    Parameters
    ----------
    folder : Path
    sent : dict of Path to int
        How many bytes of each file were sent; it is changed.

    Raises
    ------
    StoreError, DiskFullError
        If the store cannot take them.
    """
    before = sum(sent.values())
    for path in (*folder.glob("*.pcm"), *folder.glob("*.peaks")):
        with path.open("rb") as file:
            file.seek(sent.get(path, 0))
            while block := file.read(LARGEST):
                end = file.tell()
                piece = name_of(path.name, (end - len(block), end))
                storage.write(folder / storage.GROWING / piece, block)
                sent[path] = end
    return sum(sent.values()) > before


def name_of(file: str, piece: Piece) -> str:
    """Return the name of a piece of a file."""
    return f"{file}.{piece[0]:012}-{piece[1]:012}"


def read(folder: Path, name: str, at: int, size: int) -> bytes | None:
    """Return a part of a file of a store that may still grow, or None if there is no such file.

    Parameters
    ----------
    folder : Path
        Of an attempt.
    name : str
        It is only compared with the names that are there.
    at, size : int
        The first byte, and the number of bytes; -1 is all.

    Raises
    ------
    FileNotFoundError
        If the file has just been deleted.
    StoreError, OutputError
        If it cannot be fetched.
    """
    if name in storage.sizes(folder):
        return part_of(storage.fetched(folder / name), at, size)
    pieces = pieces_of(name, storage.sizes(folder / storage.GROWING))
    if not pieces:
        return None
    stop = at + size if size >= 0 else max(end for _, end in pieces)
    return b"".join(
        part_of(
            storage.fetched(folder / storage.GROWING / name_of(name, piece)),
            begin - piece[0],
            end - begin,
        )
        for piece, (begin, end) in parts(pieces, at, stop)
    )


def pieces_of(name: str, sizes: dict[str, int]) -> list[Piece]:
    """Return the complete pieces of a file, sorted; ``sizes`` are those of the pieces of all."""
    known = (PIECE.fullmatch(key) for key in sizes)
    pieces = [(int(key[2]), int(key[3])) for key in known if key and key[1] == name]
    return sorted(piece for piece in pieces if sizes[name_of(name, piece)] == piece[1] - piece[0])


def parts(pieces: Iterable[Piece], at: int, stop: int) -> Iterator[tuple[Piece, Piece]]:
    """Yield each piece that is needed for the bytes from ``at`` to ``stop``, and what of it is.

    Pieces are sorted. It ends where one is missing.
    """
    for piece in pieces:
        if piece[0] <= at < min(piece[1], stop):
            end = min(piece[1], stop)
            yield piece, (at, end)
            at = end


def part_of(path: Path, at: int, size: int) -> bytes:
    """Return a part of a file on this machine."""
    with path.open("rb") as file:
        file.seek(at)
        return file.read(size)
