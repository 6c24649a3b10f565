"""How the bytes of a file tell that its end is missing, or how long it is."""

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
MP3_TAGS = 4_096  # bytes of tags that may stand behind the sound; more is looked at
UNKNOWN = 0x7F00_0000  # in 31 bits, this and more is what programs write that do not know a size
Box = tuple[bytes, int]  # the type of a part of a file, and all its bytes
# kbit/s by the four bits of a frame's header, for MPEG-1 layers I, II, III and MPEG-2 I, II+III
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
TS_PACKET = 188  # bytes, of an MPEG transport stream
TS_SYNC = 0x47  # the first of them
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
MPEG_RATES = (44_100, 48_000, 32_000)  # Hz, of MPEG-1; MPEG-2 has halves, MPEG-2.5 quarters


def is_cut(path: Path) -> bool:
    """Tell if a file has fewer bytes than it says, as far as its format says so.

    Decoders read such files as far as they go, without a word.
    """
    size = path.stat().st_size
    with path.open("rb") as raw:
        head = raw.read(TS_PACKET + 1)
        if head.startswith(b"OggS"):
            return not ends_with_last_page(path)
        if head[0] == head[-1] == TS_SYNC and len(head) > TS_PACKET:
            return size % TS_PACKET > 0
        if stated := stated_size(head, raw):
            return size + 1 < stated  # a byte that fills up may be missing
    return read_xing(path).missing > MP3_FRAME  # some encoders count one frame too many


def stated_size(head: bytes, raw: BinaryIO) -> int:
    """Return how large a file should be at least; 0 if it does not say, or is of another format."""
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
    """Return how large a Matroska file should be; 0 if it does not say.

    It has two elements, a header and a segment: RFC 8794, section 4. The number of leading zero
    bits of a size is the number of bytes that follow its first; all ones are an unknown size.
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
    """Return how large a WMA or WMV file should be; 0 if it does not say."""
    at = head.find(ASF_PROPERTIES)
    return int.from_bytes(head[at + 40 : at + 48], "little") if at >= 0 else 0


def last_box(raw: BinaryIO, at: int, wanted: bytes, read: Callable[[bytes], Box]) -> int:
    """Return where the box that holds the samples should end; 0 if it does not say."""
    end = raw.seek(0, os.SEEK_END)
    while at + 8 <= end:
        raw.seek(at)
        kind, size = read(raw.read(16))
        if size < 8:  # it goes on to the end, or is damaged
            return 0
        at += size
        if kind == wanted:
            return at
    return 0


def riff_chunk(head: bytes) -> Box:
    """Return a type and the whole of a size that counts from behind both."""
    size = int.from_bytes(head[4:8], "little")
    return head[:4], 8 + size if is_size(size) else 0


def caf_chunk(head: bytes) -> Box:
    """Return the same of a longer size; -1 is unknown."""
    return head[:4], 12 + int.from_bytes(head[4:12], "big", signed=True)


def mp4_box(head: bytes) -> Box:
    """Return a type and a size that counts itself; 1 is followed by a longer size."""
    size = int.from_bytes(head[:4], "big")
    return head[4:8], int.from_bytes(head[8:16], "big") if size == 1 else size


def is_size(stated: int) -> bool:
    """Tell a size from what is written in its place as long as it is not known: 0, -1, 2 GiB."""
    return 0 < stated & 0x7FFF_FFFF < UNKNOWN


def ends_with_last_page(path: Path) -> bool:
    """Tell if an Ogg file ends with a whole page that is its stream's last: RFC 3533, section 6."""
    with path.open("rb") as raw:
        raw.seek(max(path.stat().st_size - TAIL, 0))
        tail = raw.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    size = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return bool(page[5] & 4) and len(page) >= size


def last_page_samples(path: Path) -> int | None:
    """Return how many samples the last page of an Ogg file holds; None if that is not found.

    Each page says where its last sample lies; -1 is a page on which no packet ends.
    """
    with path.open("rb") as raw:
        raw.seek(max(path.stat().st_size - 3 * TAIL, 0))
        pages = raw.read().split(b"OggS")[1:]
    ends = [int.from_bytes(page[2:10], "little", signed=True) for page in pages]
    ends = [end for end in ends if end >= 0]
    return ends[-1] - ends[-2] if len(ends) > 1 and ends[-1] >= ends[-2] else None


def first_bad_page(path: Path) -> int | None:
    """Return the byte at which the first bad page of an Ogg file begins, or None.

    Bad is a page with a wrong checksum, or one that follows a missing one. FFmpeg leaves such pages
    out without a word.
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
    """Return the CRC of an Ogg page, which zlib has too, but with all bits in the other order."""
    bare = (page[:22] + bytes(4) + page[26:]).translate(MIRRORED)
    crc = zlib.crc32(bare, 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return crc.to_bytes(4, "big").translate(MIRRORED)


def is_mpeg(path: Path) -> bool:
    """Tell if a file begins with an MPEG audio frame, or a tag as those in front of one."""
    with path.open("rb") as raw:
        head = raw.read(4)
    return head.startswith(b"ID3") or mpeg_frame_size(head) > 0


def mp3_states_length(path: Path) -> bool:
    """Tell if an MP3 file states its length, and is as large as it says."""
    xing = read_xing(path)
    return xing.has_length and abs(xing.missing) < MP3_TAGS


@dataclass(frozen=True)
class Xing:
    """What an encoder has written into the first frame of an MP3 file.

    Attributes
    ----------
    has_length : bool
        Whether the number of frames is there.
    missing : int
        Bytes that the file has fewer than it should; less than 0 if it has more, 0 if unknown.
    """

    has_length: bool = False
    missing: int = 0


def read_xing(path: Path) -> Xing:
    """Return what the first frame of an MP3 file states.

    The frame holds "Xing" or "Info", flags, the number of frames if flag 1 is set and the number
    of bytes if flag 2 is; it may follow an ID3 tag, whose size is 4 times 7 bits.
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
    """Return how many bytes a frame has by its header; 0 if it does not say, or is none."""
    if codec in {"ac3", "eac3"}:
        return ac3_frame_size(frame)
    return mpeg_frame_size(frame) if codec.startswith(("mp1", "mp2", "mp3")) else 0


def ac3_frame_size(frame: bytes) -> int:
    """Return how many bytes a frame of AC-3 or E-AC-3 has: ETSI TS 102 366, 4.4.1 and E.1.3.1."""
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
    """Return how many bytes an MPEG audio frame has by its header; 0 if it is none, or free-form.

    Layer I counts in slots of 4 bytes; layer III of MPEG-2 has half the samples (ISO/IEC 11172-3,
    2.4.3.1, and 13818-3).
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
