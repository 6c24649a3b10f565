"""Answers with a file: whole, or the range of it that a player asks for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
BLOCK = 262_144  # bytes read at a time
TYPES = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg"}


def send_file(request: HttpRequest, path: Path, name: str, tag: str) -> HttpResponseBase:
    """Return a file, or the range that the request asks for: RFC 9110, section 14.

    Parameters
    ----------
    request : HttpRequest
    path : Path
    name : str
        The name under which a browser saves the file.
    tag : str
        Identifies the content: an ETag without quotes.
    """
    etag, size = f'"{tag}"', path.stat().st_size
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600",
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
    }
    kind = TYPES.get(path.suffix[1:], "application/octet-stream")
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers=headers)
    wanted = request.headers.get("Range", "")
    status, begin, end = 200, 0, size
    if wanted and request.headers.get("If-Range", etag) == etag:
        part = range_of(wanted, size)
        if part is None:
            headers["Content-Range"] = f"bytes */{size}"
            return HttpResponse(status=416, headers=headers)
        status, (begin, end) = 206, part
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - begin)
    return StreamingHttpResponse(
        piece(path, begin, end), status=status, content_type=kind, headers=headers
    )


def range_of(wanted: str, size: int) -> tuple[int, int] | None:
    """Return the begin and the end of a range of bytes, or None if the file has no such range."""
    match = RANGE.match(wanted)
    if not match or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(size - int(last), 0), size
    else:
        begin, end = int(first), min(int(last) + 1, size) if last else size
    return (begin, end) if begin < end else None


async def piece(path: Path, begin: int, end: int) -> AsyncIterator[bytes]:
    """Yield a part of a file in blocks, which are read in a thread.

    Django would read the whole of what is not asynchronous into memory.
    """
    with await asyncio.to_thread(path.open, "rb") as file:
        await asyncio.to_thread(file.seek, begin)
        while begin < end:
            block = await asyncio.to_thread(file.read, min(BLOCK, end - begin))
            if not block:
                return
            begin += len(block)
            yield block
