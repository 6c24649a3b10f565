"""Copying the tags and the cover of a song to its stems.

flac and mp3 files get the tags in `TAGS` and the cover. wav files get the tags in `INFO` and no
cover. Tags that are valid for the mixture only are not copied: loudness, identifiers, timed lyrics
and chapters.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import av
import soundfile

from ..errors import AudioError
from .av_files import FAULTS, open_container

# FFmpeg's names, the same in all formats
TAGS = {"album", "album_artist", "artist", "comment", "composer", "copyright", "date", "disc",
        "genre", "license", "performer", "publisher", "title", "track"}  # fmt: skip
# the tags that a LIST chunk can hold, with libsndfile's names
INFO = {"album": "album", "artist": "artist", "comment": "comment", "copyright": "copyright",
        "date": "date", "genre": "genre", "title": "title", "track": "tracknumber"}  # fmt: skip

Cover = tuple[av.VideoStream, bytes]

log = logging.getLogger(__name__)


def copy_tags(song: Path, stems: dict[str, Path], codec: str) -> None:
    """Copy the tags and the cover of a song to its stems.

    The name of the stem is added to the title. If copying fails, the remaining stems get no tags,
    and a warning is logged.

    Parameters
    ----------
    song : Path
    stems : dict of str to Path
        The file of each stem. It is changed or replaced.
    codec : {"wav", "flac", "mp3"}
        Codec of the stems.
    """
    try:
        with open_container(song) as container:
            tags, cover = tags_of(container), cover_of(container)
            for stem, path in stems.items():
                own = tags | ({"title": f"{tags['title']} ({stem})"} if "title" in tags else {})
                if codec == "wav":
                    write_info(path, own)
                elif own or cover:
                    write_tags(path, own, cover, codec)
    except (*FAULTS, AudioError, soundfile.LibsndfileError) as error:
        log.warning("%s: the tags cannot be copied: %s", song, error)


def tags_of(container: av.container.InputContainer) -> dict[str, str]:
    """Return the tags of a file, or else of its first track: Ogg stores them there."""
    found = container.metadata or container.streams.audio[0].metadata
    tags = {name.lower(): text.strip() for name, text in found.items()}
    return {name: text for name, text in tags.items() if name in TAGS and text}


def cover_of(container: av.container.InputContainer) -> Cover | None:
    """Return the first attached picture of a file, or None."""
    attached = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if stream.disposition & attached:
            return stream, next(bytes(packet) for packet in container.demux(stream) if packet.size)
    return None


def write_info(path: Path, tags: dict[str, str]) -> None:
    """Write tags to the end of a WAV file."""
    with soundfile.SoundFile(os.fsencode(path), "r+") as file:
        for name in INFO.keys() & tags.keys():
            setattr(file, INFO[name], tags[name])


def write_tags(path: Path, tags: dict[str, str], cover: Cover | None, codec: str) -> None:
    """Add tags and a cover to a file, without encoding its audio again.

    Raises
    ------
    AudioError
        If the file cannot be read, or its length would change.
    """
    tagged = path.with_suffix(".tagged")
    with (
        open_container(path) as stem,
        tagged.open("wb") as file,
        av.open(file, "w", format=codec) as out,
    ):
        out.metadata.update(tags)
        sound = out.add_stream_from_template(stem.streams.audio[0])
        if cover:
            picture = out.add_stream_from_template(cover[0])
            picture.disposition = av.stream.Disposition.attached_pic
            image = av.Packet(cover[1])
            image.stream = picture
            out.mux(image)
        for packet in stem.demux(stem.streams.audio[0]):
            if packet.size:
                packet.stream = sound
                out.mux(packet)
    if soundfile.info(os.fsencode(tagged)).frames != soundfile.info(os.fsencode(path)).frames:
        raise AudioError("they would change the length of the stem")
    tagged.replace(path)
