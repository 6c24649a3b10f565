"""The paths of stems."""

from __future__ import annotations

import os
import string
import unicodedata
from pathlib import Path, PurePath

from ..errors import OptionError
from .write import nearest_folder

FIELDS = ("track", "stem", "ext")
LONGEST = 255  # bytes that a file name may have


def stem_paths(
    song: Path, out_dir: Path, filename: str, names: tuple[str, ...], codec: str
) -> dict[str, Path]:
    """Return the path of each stem of a song.

    Parameters
    ----------
    song : Path
    out_dir : Path
    filename : str
        Template of the path of each stem below ``out_dir``. ``{track}`` is the name of the song's
        file without its suffix, ``{stem}`` the name of the stem and ``{ext}`` the codec. The track
        is shortened if a name would have more than 255 bytes.
    names : tuple of str
        Names of the stems.
    codec : str

    Returns
    -------
    dict of str to Path

    Raises
    ------
    OptionError
        If ``filename`` is not a valid template, leads out of ``out_dir``, or gives two stems the
        same path.
    """
    check_template(filename)
    track = song.name if song.stem in {".", ".."} else song.stem
    paths = {name: out_dir / filled_in(filename, track, name, codec) for name in names}
    if len({*paths.values()}) < len(paths):
        raise OptionError(
            f"filename {filename!r} gives two stems the same path: add {{stem}} to it"
        )
    return paths


def check_template(filename: str) -> None:
    """Check that the fields of a filename are known, without format or conversion.

    Raises
    ------
    OptionError
        If they are not, or the filename cannot be parsed.
    """
    try:
        fields = [part[1:] for part in string.Formatter().parse(filename) if part[1] is not None]
    except (TypeError, ValueError):
        fields = [("", None, None)]
    if any(name not in FIELDS or form or convert for name, form, convert in fields):
        raise OptionError(
            f"filename {filename!r} is not a valid template: "
            "use only {track}, {stem} and {ext}"
        )


def filled_in(filename: str, track: str, stem: str, codec: str) -> PurePath:
    """Fill in a filename; shorten the track's name as far as needed.

    Raises
    ------
    OptionError
        If the path leads out of the output folder, or cannot be that of a file.
    """
    path = PurePath(filename.format(track=track, stem=stem, ext=codec))
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in filename:
        raise OptionError(f"filename {filename!r} must be the path of a file in the output folder")
    try:
        room = LONGEST - max(len(os.fsencode(part)) for part in path.parts)
    except UnicodeEncodeError as error:
        raise OptionError(
            f"filename {filename!r} has letters that file names cannot have: leave them out"
        ) from error
    if room >= 0:
        return path
    if not track:
        raise OptionError(f"filename {filename!r} is too long: use {LONGEST} bytes at most")
    return filled_in(filename, shortened(track, -room), stem, codec)


def shortened(text: str, excess: int) -> str:
    """Cut letters off the end of a text, until it is at least ``excess`` bytes shorter."""
    size = len(os.fsencode(text)) - excess
    while text and len(os.fsencode(text)) > size:
        text = text[:-1]
    return text


def place_of(path: Path) -> str:
    """Return a text that is the same for all spellings of the path of a file."""
    real = Path(os.path.realpath(path))
    if not ignores_case(nearest_folder(real.parent)):
        return str(real)
    return unicodedata.normalize("NFC", str(real)).casefold()


def ignores_case(folder: Path) -> bool:
    """Return whether a folder is also found by its name with upper and lower case swapped."""
    other = folder.with_name(folder.name.swapcase())
    return other != folder and other.exists() and other.samefile(folder)


def check_kept(song: Path, paths: dict[str, Path]) -> None:
    """Check that no stem would replace its song.

    Raises
    ------
    OptionError
        If one would.
    """
    if kept := [path for path in paths.values() if place_of(path) == place_of(song)]:
        raise OptionError(f"{kept[0]} is the song itself: choose another output folder")
