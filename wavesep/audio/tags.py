"""Tags and cover of a song, copied to its stems.

flac and mp3 hold all of `TAGS` and the cover; wav holds those of `INFO`, and no cover. Tags of
the mixture alone are not copied: loudness, identifiers, timed lyrics, chapters.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import av
import soundfile

from ..errors import AudioError
from .av_files import FAULTS, open_container

# as FFmpeg names them in all formats
TAGS = {"album", "album_artist", "artist", "comment", "composer", "copyright", "date", "disc",
        "genre", "license", "performer", "publisher", "title", "track"}  # fmt: skip
# what a LIST chunk holds, as libsndfile names it
INFO = {"album": "album", "artist": "artist", "comment": "comment", "copyright": "copyright",
        "date": "date", "genre": "genre", "title": "title", "track": "tracknumber"}  # fmt: skip

Cover = tuple[av.VideoStream, bytes]

log = logging.getLogger(__name__)


def copy_tags(song: Path, stems: dict[str, Path], codec: str) -> None:
    """Copy the tags and the cover of a song to its stems; each title gets the stem's name.

    If they cannot be copied, the stem stays unchanged and the log has a warning.

    Parameters
    ----------
    song : Path
    stems : dict of str to Path
        The file of each stem, which is replaced.
    codec : {"wav", "flac", "mp3"}
        Of the stems.
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
        log.warning("%s: its tags cannot be copied: %s", song, error)


def tags_of(container: av.container.InputContainer) -> dict[str, str]:
    """Return the tags of a file, or of its first track: Ogg has them there."""
    found = container.metadata or container.streams.audio[0].metadata
    tags = {name.lower(): text.strip() for name, text in found.items()}
    return {name: text for name, text in tags.items() if name in TAGS and text}


def cover_of(container: av.container.InputContainer) -> Cover | None:
    """Return the first picture of a file, if it has any."""
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
    """Add tags and a cover to a file, or raise AudioError; its frames stay as they are."""
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
        raise AudioError("the stem would have another length")
    tagged.replace(path)
