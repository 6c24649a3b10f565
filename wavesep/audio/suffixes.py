"""The suffixes by which audio files are found in folders; opening a file does not need them."""

from __future__ import annotations

from pathlib import Path

AUDIO = {
    ".aac", ".ac3", ".aif", ".aiff", ".au", ".caf", ".dts", ".eac3", ".flac", ".m4a", ".mka",
    ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".tta", ".w64", ".wav", ".wma", ".wv",
}  # fmt: skip
VIDEO = {
    ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts",
    ".vob", ".webm", ".wmv",
}  # fmt: skip
SUFFIXES = AUDIO | VIDEO  # in lower case


def is_audio(path: Path) -> bool:
    """Tell by its suffix, in capitals or not, if a file may hold sound; hidden files do not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
