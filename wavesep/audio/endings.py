"""Finding out from the bytes of a file whether its end is missing, and how long it is."""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

TAIL = 65_536  # bytes; an Ogg page is smaller
MP3_FRAME = 1_441  # bytes in the largest frame
MP3_TAGS = 4_096  # bytes of tags that may follow the audio, not counted in the stated size
UNKNOWN = 0x7F00_0000  # programs write this or more, in 31 bits, for an unknown size
Box = tuple[bytes, int]  # type of a part of a file, and its size with its header
# kbit/s by four bits of a frame header; MPEG-1 layers I, II, III, MPEG-2 layer I, layers II and III
BITRATES = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# kbit/s of AC-3
AC3_BITRATES = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640),
)
ASF = bytes.fromhex("3026b2758e66cf11")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # the object with the size
TS_PACKET = 188  # bytes in a packet of an MPEG transport stream
TS_SYNC = 0x47  # the first byte of a packet
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
MPEG_RATES = (44_100, 48_000, 32_000)  # Hz, MPEG-1; half of it for MPEG-2, a quarter for 2.5


def is_cut(path: Path) -> bool:
    """Return whether a file has fewer bytes than it states; false if it does not state a size.

    Decoders read such files to their end and do not report the missing part.
    """
    size = path.stat().st_size
    with path.open("rb") as raw:
        head = raw.read(TS_PACKET + 1)
        if head.startswith(b"OggS"):
            return not ends_with_last_page(path)
        if head[0] == head[-1] == TS_SYNC and len(head) > TS_PACKET:
            return size % TS_PACKET > 0
        if stated := stated_size(head, raw):
            return size + 1 < stated  # the padding byte may be missing
    return read_xing(path).missing > MP3_FRAME  # some encoders count one frame too many


def stated_size(head: bytes, raw: BinaryIO) -> int:
    """Return the least size that a file states, in bytes; 0 if it states none."""
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return riff_chunk(head)[1]
    if head.startswith(b"RIFF"):
        return last_box(raw, 12, b"data", riff_chunk)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return matroska_size(head)
    if head.startswith(ASF):
        raw.seek(0)
        return asf_size(raw.read(4_096))
    if head.startswith(b"caff"):
        return last_box(raw, 8, b"data", caf_chunk)
    if head[4:8] == b"ftyp":
        return last_box(raw, 0, b"mdat", mp4_box)
    return 0


def matroska_size(head: bytes) -> int:
    """Return the size that a Matroska file states, in bytes; 0 if it states none.

    The file has two elements, a header and a segment: RFC 8794, section 4. In the first byte of a
    size, the number of leading zero bits is the number of bytes that follow it. A size whose bits
    are all ones is unknown.
    """
    at = 0
    for id_size in (4, 4):
        first = head[at + id_size] if len(head) > at + id_size else 0
        width = 9 - first.bit_length()
        number = head[at + id_size : at + id_size + width]
        value = int.from_bytes(number, "big") & ((1 << 7 * width) - 1)
        if not first or value == (1 << 7 * width) - 1:
            return 0
        at += id_size + width + value
        if at > len(head):
            break
    return at


def asf_size(head: bytes) -> int:
    """Return the size that a WMA or WMV file states, in bytes; 0 if it states none."""
    at = head.find(ASF_PROPERTIES)
    return int.from_bytes(head[at + 40 : at + 48], "little") if at >= 0 else 0


def last_box(raw: BinaryIO, at: int, wanted: bytes, read: Callable[[bytes], Box]) -> int:
    """Return where the part with the samples should end; 0 if the file does not state it."""
    end = raw.seek(0, os.SEEK_END)
    while at + 8 <= end:
        raw.seek(at)
        kind, size = read(raw.read(16))
        if size < 8:  # the part has no stated size, or is damaged
            return 0
        at += size
        if kind == wanted:
            return at
    return 0


def riff_chunk(head: bytes) -> Box:
    """Return the type and the size of a RIFF chunk; the file states the size without header."""
    size = int.from_bytes(head[4:8], "little")
    return head[:4], 8 + size if is_size(size) else 0


def caf_chunk(head: bytes) -> Box:
    """Return the type and the size of a CAF chunk; -1 in the file is an unknown size."""
    return head[:4], 12 + int.from_bytes(head[4:12], "big", signed=True)


def mp4_box(head: bytes) -> Box:
    """Return the type and the size of an MP4 box; after a 1, a 64-bit size follows."""
    size = int.from_bytes(head[:4], "big")
    return head[4:8], int.from_bytes(head[8:16], "big") if size == 1 else size


def is_size(stated: int) -> bool:
    """Return whether a stated size is real, not a placeholder such as 0, -1 or 2 GiB."""
    return 0 < stated & 0x7FFF_FFFF < UNKNOWN


def ends_with_last_page(path: Path) -> bool:
    """Return whether an Ogg file ends with a complete last page: RFC 3533, section 6."""
    with path.open("rb") as raw:
        raw.seek(max(path.stat().st_size - TAIL, 0))
        tail = raw.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    size = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return bool(page[5] & 4) and len(page) >= size


def last_page_samples(path: Path) -> int | None:
    """Return the number of samples in the last page of an Ogg file; None if it is not found.

    Each page states the position of its last sample, or -1 if no packet ends in the page.
    """
    with path.open("rb") as raw:
        raw.seek(max(path.stat().st_size - 3 * TAIL, 0))
        pages = raw.read().split(b"OggS")[1:]
    ends = [int.from_bytes(page[2:10], "little", signed=True) for page in pages]
    ends = [end for end in ends if end >= 0]
    return ends[-1] - ends[-2] if len(ends) > 1 and ends[-1] >= ends[-2] else None


def first_bad_page(path: Path) -> int | None:
    """Return the position in bytes of the first bad page of an Ogg file, or None.

    A page is bad if its checksum is wrong, or if the page before it is missing. FFmpeg skips bad
    pages and does not report them.
    """
    following: dict[bytes, int] = {}  # the number of the next page, by stream
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"OggS")
        while at >= 0:
            segments = data[at + 26 : at + 27]
            table = data[at + 27 : at + 27 + segments[0]] if segments else b""
            page = data[at : at + 27 + len(table) + sum(table)]
            stream, number = page[14:18], int.from_bytes(page[18:22], "little")
            is_first = page[5:6] and page[5] & 2
            if page[22:26] != checksum(page) or not (
                is_first or number == following.get(stream, number)
            ):
                return at
            following[stream] = number + 1
            at = data.find(b"OggS", at + len(page))
    return None


def checksum(page: bytes) -> bytes:
    """Return the CRC of an Ogg page: that of zlib, with the bits in reverse order."""
    bare = (page[:22] + bytes(4) + page[26:]).translate(MIRRORED)
    crc = zlib.crc32(bare, 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return crc.to_bytes(4, "big").translate(MIRRORED)


def is_mpeg(path: Path) -> bool:
    """Return whether a file begins with an MPEG audio frame or an ID3 tag."""
    with path.open("rb") as raw:
        head = raw.read(4)
    return head.startswith(b"ID3") or mpeg_frame_size(head) > 0


def mp3_states_length(path: Path) -> bool:
    """Return whether an MP3 file states its length, and has the size that it states."""
    xing = read_xing(path)
    return xing.has_length and abs(xing.missing) < MP3_TAGS


@dataclass(frozen=True)
class Xing:
    """The statements of an encoder in the first frame of an MP3 file.

    Attributes
    ----------
    has_length : bool
        Whether the number of frames is stated.
    missing : int
        Stated size minus true size, in bytes; 0 if no size is stated.
    """

    has_length: bool = False
    missing: int = 0


def read_xing(path: Path) -> Xing:
    """Return the statements in the first frame of an MP3 file.

    The frame contains "Xing" or "Info", flags, the number of frames if flag 1 is set, and the
    number of bytes if flag 2 is set. An ID3 tag may precede it; the size of the tag is stored as 4
    times 7 bits.
    """
    with path.open("rb") as raw:
        head = raw.read(10)
        tag = 0
        if head.startswith(b"ID3"):
            tag = 10 + sum(byte << (7 * (3 - i)) for i, byte in enumerate(head[6:10]))
        raw.seek(tag)
        frame = raw.read(200)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if not mpeg_frame_size(frame) or at < 0 or len(frame) < at + 16:
        return Xing()
    has_length, has_size = bool(frame[at + 7] & 1), frame[at + 7] & 2
    at += 12 if has_length else 8
    size = int.from_bytes(frame[at : at + 4], "big") if has_size else 0
    return Xing(has_length, tag + size - path.stat().st_size if size else 0)


def frame_size(codec: str, frame: bytes) -> int:
    """Return the size of a frame by its header, in bytes; 0 if it is not stated or not a frame."""
    if codec in {"ac3", "eac3"}:
        return ac3_frame_size(frame)
    return mpeg_frame_size(frame) if codec.startswith(("mp1", "mp2", "mp3")) else 0


def ac3_frame_size(frame: bytes) -> int:
    """Return the size of an AC-3 or E-AC-3 frame: ETSI TS 102 366, 4.4.1 and E.1.3.1."""
    if len(frame) < 6 or frame[:2] != b"\x0b\x77":
        return 0
    if frame[5] >> 3 > 10:
        return 2 * (1 + int.from_bytes(frame[2:4], "big") % 2_048)
    rate, code = frame[4] >> 6, frame[4] & 63
    if rate == 3 or code >= 2 * len(AC3_BITRATES):
        return 0
    hertz = (48_000, 44_100, 32_000)[rate]
    words = AC3_BITRATES[code // 2] * 96_000 // hertz
    return 2 * (words + (code & 1 if rate == 1 else 0))


def mpeg_frame_size(frame: bytes) -> int:
    """Return the size of an MPEG audio frame; 0 if it is not a frame, or has a free bit rate.

    Layer I counts in slots of 4 bytes. Layer III of MPEG-2 has half as many samples in a frame:
    ISO/IEC 11172-3, 2.4.3.1, and 13818-3.
    """
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (frame[1] >> 3) & 3, 4 - ((frame[1] >> 1) & 3)
    bitrate, rate, padding = frame[2] >> 4, (frame[2] >> 2) & 3, (frame[2] >> 1) & 1
    if version == 1 or layer == 4 or bitrate == 15 or rate == 3:
        return 0
    generation = 1 if version == 3 else 2
    kbits = BITRATES[generation, layer if generation == 1 else min(layer, 2)][bitrate]
    hertz = MPEG_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if not kbits:
        return 0
    if layer == 1:
        return (12_000 * kbits // hertz + padding) * 4
    return (72_000 if (generation, layer) == (2, 3) else 144_000) * kbits // hertz + padding
