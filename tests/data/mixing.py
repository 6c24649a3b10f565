"""A generator of short mixtures that are changed in no way, if it is not told otherwise."""

from __future__ import annotations

from typing import Any

from wavesep.data import Clips, MixGenerator
from wavesep.data.mixes import Augmentation

RATE = 8_000
PLAIN = Augmentation(
    speed=(1, 1),
    mono=0,
    gain_db=0,
    pan_db=0,
    width=(1, 1),
    low_pass=0,
    equalise=0,
    noise=0,
    mute_vocals=0,
    mute_accompaniment=0,
)


def generator(stems: tuple[Clips, ...], **options: Any) -> MixGenerator:
    settings: dict[str, Any] = {
        "samples": 600, "left_context": 100, "right_context": 50, "sample_rate": RATE,
        "batch_size": 3, "batches": 4,
    }  # fmt: skip
    return MixGenerator(*stems, **(settings | options))
