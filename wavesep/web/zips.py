"""All stems of a job as one zip file, which is made while it is sent.

The stems are stored, not compressed: flac and mp3 would not become smaller. So the length of the
zip file is known before its first byte is sent.
"""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from zipfile import ZIP64_LIMIT, ZipFile, ZipInfo

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from ..audio.names import LONGEST, shortened
from .downloads import BLOCK

LETTERS = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd"}  # categories of Unicode
MARKS = " -_.,'()&+!"
RESERVED = {"CON", "PRN", "AUX", "NUL"} | {f"{p}{i}" for p in ("COM", "LPT") for i in range(10)}
ENTRY = 30 + 16 + 46  # bytes of an entry beside its content and its name, which is there twice
END = 22  # bytes after the entries


class Sink:
    """A file that keeps what is written until it is taken.

    It cannot seek, so ZipFile writes the checksum of an entry after its content.
    """

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, block: bytes) -> int:
        """Append a block."""
        self._blocks.append(block)
        return len(block)

    def flush(self) -> None:
        """Do nothing: there is nobody to hand the blocks to."""

    def close(self) -> None:
        """Do nothing: what is left can still be taken."""

    def take(self) -> bytes:
        """Return and forget what has been written."""
        taken = b"".join(self._blocks)
        self._blocks.clear()
        return taken


def send_zip(files: Mapping[str, Path], name: str, date: datetime) -> StreamingHttpResponse:
    """Return files as one zip file.

    Parameters
    ----------
    files : dict of str to Path
        The file of each entry; the names are those of `entry_name`.
    name : str
        The name under which a browser saves the zip file.
    date : datetime
        Of all entries.
    """
    headers = {"Content-Disposition": content_disposition_header(True, name) or "attachment"}
    size = zip_size(files)
    if size is not None:
        headers["Content-Length"] = str(size)
    return StreamingHttpResponse(
        in_thread(zip_blocks(files, date)), content_type="application/zip", headers=headers
    )


def zip_blocks(files: Mapping[str, Path], date: datetime) -> Iterator[bytes]:
    """Yield a zip file in blocks; none is empty."""
    sink = Sink()
    with ZipFile(sink, "w") as archive:
        for name, path in files.items():
            about = ZipInfo(name, date.timetuple()[:6])
            about.file_size = path.stat().st_size  # a large entry has another form
            with path.open("rb") as file, archive.open(about, "w") as entry:
                while block := file.read(BLOCK):
                    entry.write(block)
                    yield sink.take()
    yield sink.take()


def zip_size(files: Mapping[str, Path]) -> int | None:
    """Return the length of a zip file, or None if it is so large that its form differs."""
    size = END + sum(
        ENTRY + 2 * len(name.encode()) + path.stat().st_size for name, path in files.items()
    )
    return None if size * 1.05 > ZIP64_LIMIT else size  # ZipFile changes the form that early


async def in_thread(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield blocks, none of them empty, that are made in a thread."""
    while block := await asyncio.to_thread(next, blocks, b""):
        yield block


def entry_name(title: str, file: str) -> str:
    """Return the name of a stem in a zip file: that of a file on every system, never of a folder.

    Parameters
    ----------
    title : str
        The title of the song; it is shortened if the name would have more than 255 bytes.
    file : str
        The name of the stem's file.
    """
    song, stem = plain(title) or "song", plain(file) or "stem"
    excess = len(os.fsencode(f"{song} - {stem}")) - LONGEST
    name = f"{shortened(song, excess)} - {stem}" if excess > 0 else f"{song} - {stem}"
    is_reserved = name.partition(".")[0].strip().upper() in RESERVED
    return f"_{name}" if is_reserved else name


def plain(text: str) -> str:
    """Return the letters, digits and harmless marks of a text; all else becomes "_"."""
    kept = "".join(
        letter if unicodedata.category(letter) in LETTERS or letter in MARKS else "_"
        for letter in unicodedata.normalize("NFC", text)
    )
    return re.sub(r"\.{2,}", ".", kept).strip(" -_.")
