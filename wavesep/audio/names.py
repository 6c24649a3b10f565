"""Where the stems of a song go."""

from __future__ import annotations

import os
import string
import unicodedata
from pathlib import Path, PurePath

from ..errors import OptionError
from .write import nearest_folder

FIELDS = ("track", "stem", "ext")
LONGEST = 255  # bytes that a name may have


def stem_paths(
    song: Path, out_dir: Path, filename: str, names: tuple[str, ...], codec: str
) -> dict[str, Path]:
    """Return where each stem of a song goes.

    Parameters
    ----------
    song : Path
    out_dir : Path
    filename : str
        Of each stem below ``out_dir``; ``{track}`` is the name of the song's file without its
        suffix, made shorter where a name would have more than 255 bytes.
    names : tuple of str
        Of the stems.
    codec : str

    Returns
    -------
    dict of str to Path

    Raises
    ------
    OptionError
        If ``filename`` cannot be filled in, leads out of ``out_dir``, or gives two stems one path.
    """
    check_template(filename)
    track = song.name if song.stem in {".", ".."} else song.stem
    paths = {name: out_dir / filled_in(filename, track, name, codec) for name in names}
    if len({*paths.values()}) < len(paths):
        raise OptionError(
            f"filename {filename!r} must hold {{stem}}, or stems overwrite each other"
        )
    return paths


def check_template(filename: str) -> None:
    """Raise OptionError unless a filename has plain fields of the right names, or none."""
    try:
        fields = [part[1:] for part in string.Formatter().parse(filename) if part[1] is not None]
    except (TypeError, ValueError):
        fields = [("", None, None)]
    if any(name not in FIELDS or form or convert for name, form, convert in fields):
        raise OptionError(
            f"filename {filename!r} cannot be filled in: use {{track}}, {{stem}} and {{ext}}"
        )


def filled_in(filename: str, track: str, stem: str, codec: str) -> PurePath:
    """Return the path of a filename with the track's name shortened, or raise OptionError."""
    path = PurePath(filename.format(track=track, stem=stem, ext=codec))
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in filename:
        raise OptionError(f"filename {filename!r} must name a file below the output's folder")
    try:
        room = LONGEST - max(len(os.fsencode(part)) for part in path.parts)
    except UnicodeEncodeError as error:
        raise OptionError(f"filename {filename!r} is no name that a file can have") from error
    if room >= 0:
        return path
    if not track:
        raise OptionError(f"filename {filename!r} is too long: a name has {LONGEST} bytes at most")
    return filled_in(filename, shortened(track, -room), stem, codec)


def shortened(text: str, excess: int) -> str:
    """Return a text without its last letters, which take at least so many bytes."""
    size = len(os.fsencode(text)) - excess
    while text and len(os.fsencode(text)) > size:
        text = text[:-1]
    return text


def place_of(path: Path) -> str:
    """Return what two paths have in common if, and only if, they lead to one file."""
    real = Path(os.path.realpath(path))
    if not ignores_case(nearest_folder(real.parent)):
        return str(real)
    return unicodedata.normalize("NFC", str(real)).casefold()


def ignores_case(folder: Path) -> bool:
    """Tell if names that differ in case alone are those of one file."""
    other = folder.with_name(folder.name.swapcase())
    return other != folder and other.exists() and other.samefile(folder)


def check_kept(song: Path, paths: dict[str, Path]) -> None:
    """Raise OptionError if a stem would replace its song."""
    if kept := [path for path in paths.values() if place_of(path) == place_of(song)]:
        raise OptionError(f"{kept[0]} is the song itself: give another folder")
