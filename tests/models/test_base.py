"""Architectures: frozen, each checks itself, each builds its network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from wavesep import PRESETS
from wavesep.errors import ModelFileError
from wavesep.models.base import Architecture
from wavesep.models.kinds import KINDS

SMALL: dict[str, dict[str, Any]] = {
    "wavenet": {"filters": 2, "skip_filters": 2, "stacks": 1, "layers_per_stack": 2},
    "frame_cnn": {"window": 64, "hop": 32, "filters": (2, 2, 2, 2), "units": 2},
    "vocal_activity": {"window": 64, "hop": 32, "filters": (2, 2, 2, 2), "units": 2},
    "unet": {"window": 64, "hop": 32, "filters": 2, "depth": 2},
}


def numbers() -> Iterator[tuple[str, str]]:
    """Yield each argument of each kind that is a number."""
    for kind, architecture in KINDS.items():
        for name, value in architecture().arguments.items():
            if isinstance(value, int):
                yield kind, name


@pytest.mark.parametrize("kind", KINDS)
def test_an_architecture_cannot_be_changed(kind: str) -> None:
    architecture = KINDS[kind]()
    for name in architecture.arguments:
        with pytest.raises(FrozenInstanceError):
            setattr(architecture, name, 3)

    assert architecture == KINDS[kind]()
    assert hash(architecture) == hash(KINDS[kind]())


@pytest.mark.parametrize(("kind", "name"), [*numbers()])
def test_every_architecture_checks_itself(kind: str, name: str) -> None:
    architecture = KINDS[kind]()
    least = architecture.least(name)
    for value in (least - 1, -7):
        with pytest.raises(ValueError, match=rf"^{name} must be .*{value}$"):
            replace(architecture, **{name: value})


@pytest.mark.parametrize("kind", KINDS)
def test_an_architecture_has_no_other_arguments(kind: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        KINDS[kind](**{"colour": 3})


@pytest.mark.parametrize(("kind", "name"), [("wavenet", "head"), ("frame_cnn", "filters")])
def test_what_was_a_list_in_a_file_is_a_tuple(kind: str, name: str) -> None:
    values = (5, 4, 3, 2)
    listed: dict[str, Any] = {name: [*values]}
    plain: dict[str, Any] = {name: values}
    architecture = KINDS[kind](**listed)

    assert getattr(architecture, name) == values
    assert architecture == KINDS[kind](**plain)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_the_network_of_its_arguments_or_is_a_rule(kind: str) -> None:
    architecture: Architecture = KINDS[kind](**SMALL.get(kind, {}))

    assert architecture.kind == kind
    if architecture.trained:
        network = architecture.network()
        assert network.architecture == architecture
        assert (network.left_context, network.right_context) == architecture.context
        assert architecture.recipe().learning_rate > 0
    else:
        assert architecture.shapes == {}
        for call in (architecture.network, architecture.recipe):
            with pytest.raises(ModelFileError, match=f"{kind} is a rule, not a network"):
                call()


def test_every_kind_has_a_preset() -> None:
    assert {preset.kind for preset in PRESETS.values()} == KINDS.keys()
