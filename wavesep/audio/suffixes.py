"""The suffixes of audio files in folders. A file that is named itself may have any suffix."""

from __future__ import annotations

from pathlib import PurePath

AUDIO = {
    ".aac", ".ac3", ".aif", ".aiff", ".au", ".caf", ".dts", ".eac3", ".flac", ".m4a", ".mka",
    ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".tta", ".w64", ".wav", ".wma", ".wv",
}  # fmt: skip
VIDEO = {
    ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts",
    ".vob", ".webm", ".wmv",
}  # fmt: skip
SUFFIXES = AUDIO | VIDEO  # in lower case


def is_audio(path: PurePath) -> bool:
    """Return whether a file has an audio suffix, in any case, and is not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
