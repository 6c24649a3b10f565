"""Compare the speed of wavesep and other separators on the same mixture and threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..errors import OptionError
from ..separator import Separator
from .peers import PEERS
from .timing import RATE, Row, alternate, median, noise, ratio

SECONDS = 35  # close to a whole number of chunks for every separator here
WARM_UP = 2  # seconds
PRECISIONS = ("bfloat16", "float32")


def compare(name: str, model: str, device: str) -> list[Row]:
    """Measure one of `PEERS`, and the ratio of its time to that of a wavesep model."""
    peer = next(peer for peer in PEERS if peer.name == name)
    if not peer.installed:
        return [{"separator": name, "note": 'not installed: pip install "wavesep[bench]"'}]
    mixture = noise(SECONDS * RATE)
    built = peer.build()
    built.separate(mixture[: WARM_UP * RATE])
    functions: dict[str, Callable[[], object]] = {name: partial(built.separate, mixture)}
    for precision in PRECISIONS:
        try:
            separator = Separator(model, precision=precision, device=device)
        except OptionError:  # no bfloat16
            continue
        functions[precision] = partial(separator.separate, mixture, RATE)
        functions[precision]()
    times = alternate(functions)
    row: Row = {
        "separator": name,
        "parameters": built.parameters,
        "times real time": SECONDS / median(times, name),
    }
    for precision in list(functions)[1:]:
        row[f"wavesep {precision}, times real time"] = SECONDS / median(times, precision)
        row[f"wavesep {precision} is faster"] = ratio(times, name, precision)
    return [row | {"runs": len(times[name])}]
