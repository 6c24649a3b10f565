"""The kinds of systems: what follows from the architecture of each alone. No Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .architecture import array_shapes, check_architecture, network_context
from .presets import POST
from .rules import RULES, check_rule, rule_context, rule_frame_size
from .spectrogram import (
    JANSSON,
    MASK_CNN,
    check_frame_cnn,
    check_unet,
    frame_cnn_context,
    frame_cnn_shapes,
    unet_context,
    unet_shapes,
)

Architecture = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Kind:
    """What is to be known of a kind of system before it is built.

    Attributes
    ----------
    arguments : dict
        What an architecture has to say, and defaults, whose types its values have.
    check : callable
        Raises ValueError on an architecture that cannot be.
    frame_size : callable
        Samples that a chunk's length is a multiple of.
    context : callable
        Samples that the estimate needs before and after itself.
    shapes : callable
        Of every array, by "layer/variable".
    """

    arguments: Architecture
    check: Callable[[Architecture], None]
    frame_size: Callable[[Architecture], int]
    context: Callable[[Architecture], tuple[int, int]]
    shapes: Callable[[Architecture], Shapes]


KINDS = {
    "wavenet": Kind(
        POST,
        check_architecture,
        lambda a: int(a["frame_size"]),
        network_context,
        array_shapes,
    ),
    "frame_cnn": Kind(
        MASK_CNN,
        check_frame_cnn,
        lambda a: int(a["hop"]),
        frame_cnn_context,
        frame_cnn_shapes,
    ),
    "unet": Kind(
        JANSSON,
        check_unet,
        lambda a: int(a["hop"] * 2 ** a["depth"]),
        unet_context,
        unet_shapes,
    ),
} | {
    rule: Kind(RULES[rule], check_rule, rule_frame_size, rule_context, lambda a: {})
    for rule in RULES
}
