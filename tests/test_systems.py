"""Every kind of system behind the same Separator: chunks, streams, sums, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wavesep import Separator, list_models, load_model
from wavesep.audio import Audio
from wavesep.errors import EmptyAudioError, ModelFileError, NonFiniteAudioError, OptionError
from wavesep.models.base import Architecture
from wavesep.models.files import ModelFile, read_model_file, shipped_models
from wavesep.models.frame_cnn.architecture import ActivityArchitecture, FrameCnnArchitecture
from wavesep.models.presets import MEANS, RULES
from wavesep.models.spleeter.architecture import SpleeterArchitecture
from wavesep.models.unet.architecture import UNetArchitecture
from wavesep.models.wavenet.architecture import WaveNetArchitecture
from wavesep.systems.plan import chunk_plan
from wavesep.systems.tree import System, leaves

RATE = 8_000
NETWORKS: dict[str, Architecture] = {
    "mask_cnn": FrameCnnArchitecture(window=64, hop=16, frames=9, filters=(3, 2, 3, 2), units=4),
    "unet": UNetArchitecture(window=64, hop=48, filters=3, depth=2),
    "unet_stereo": UNetArchitecture(
        window=64, hop=16, filters=3, depth=2, channels=2, targets=3
    ),
    "spleeter": SpleeterArchitecture(window=64, hop=16, filters=3, depth=2, bottleneck=5),
    "wavenet": WaveNetArchitecture(
        filters=3, skip_filters=3, kernel_size=3, stacks=1, layers_per_stack=3, frame_size=4,
        channels=1,
    ),
}  # fmt: skip
COMBINED = [
    "mask_cnn:wiener",
    "unet_stereo:wiener",
    "mask_cnn+unet",
    "unet:speeds",
    "wavenet:speeds+unet",
    "unet:wiener+wavenet:speeds:wiener+mask_cnn",
]
SYSTEMS = [*NETWORKS, *COMBINED]
# what is combined in these is combined in others, too
SLOW = {"mask_cnn:wiener", "mask_cnn+unet", "unet:speeds", "wavenet:speeds+unet"}
MOST_SYSTEMS = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SYSTEMS]

AVERAGED = [
    "mask_cnn+unet",
    "mask_cnn+backing",  # its first source is the accompaniment
    pytest.param("wavenet:speeds+unet", marks=pytest.mark.slow),
    "unet:wiener+wavenet:speeds:wiener+mask_cnn",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small networks with random weights."""
    folder = tmp_path_factory.mktemp("systems")
    rng = np.random.default_rng(2)
    for name, architecture in NETWORKS.items():
        network = architecture.network()
        for variable in network.weights:
            positive = variable.name.endswith("variance")
            low, high = (0.5, 2.0) if positive else (-0.7, 0.7)
            variable.assign(rng.uniform(low, high, variable.shape))
        sources = ("vocals", "accompaniment")
        if architecture.targets == 3:
            sources = ("vocals", "drums", "bass", "other")  # type: ignore[assignment]
        file = ModelFile.from_network(network, sample_rate=RATE, sources=sources)
        file.save(folder / f"{name}.safetensors")
    unet = read_model_file(folder / "unet.safetensors")
    replace(unet, sources=unet.sources[::-1]).save(folder / "backing.safetensors")
    return folder


def path_of(system: str, models: Path) -> str:
    """Return a system of the fixture's networks as `Separator` takes it."""
    parts = [part.partition(":") for part in system.split("+")]
    return "+".join(f"{models / name}.safetensors{colon}{rest}" for name, colon, rest in parts)


def mixture_of(samples: int, channels: int = 2) -> Audio:
    """Return noise with silence in it."""
    rng = np.random.default_rng(samples)
    mixture = rng.normal(0, 0.1, (samples, channels)).astype(np.float32)
    mixture[samples // 3 : samples // 2] = 0
    return mixture


@pytest.mark.parametrize("system", MOST_SYSTEMS)
def test_chunks_leave_no_trace_and_stems_add_up(system: str, models: Path) -> None:
    model = path_of(system, models)
    whole = Separator(model, chunk_seconds=60.0)
    cut = {seconds: Separator(model, chunk_seconds=seconds) for seconds in (0.001, 0.1, 0.37)}

    @settings(max_examples=3)
    @given(samples=st.integers(1, 4_000), seconds=st.sampled_from([0.1, 0.37]))
    @example(samples=1, seconds=0.001)
    @example(samples=301, seconds=0.001)  # many chunks, each of one frame
    @example(samples=4_095, seconds=0.1)
    def check(samples: int, seconds: float) -> None:
        mixture = mixture_of(samples)
        expected = whole.separate(mixture, RATE)
        stems = cut[seconds].separate(mixture, RATE)
        for source, stem in stems.items():
            np.testing.assert_allclose(stem, expected[source], rtol=0, atol=1e-5)
        total: Audio = np.sum([*stems.values()], axis=0)
        np.testing.assert_allclose(total, mixture, rtol=0, atol=1e-6)
        assert stems[whole.sources[0]].any() or samples < 100  # it does something

    check()


@pytest.mark.parametrize("system", MOST_SYSTEMS)
def test_a_stream_equals_the_file(system: str, models: Path) -> None:
    separator = Separator(path_of(system, models))
    mixture = mixture_of(1_501)
    expected = separator.separate(mixture, RATE)

    @settings(max_examples=2)
    @given(block=st.integers(200, 1_500))  # smaller ones take long
    @example(block=997)
    def check(block: int) -> None:
        stream = separator.stream(RATE)
        pieces, pushed, ready = [], 0, 0
        for begin in range(0, len(mixture), block):
            pieces.append(stream.push(mixture[begin : begin + block]))
            pushed += len(mixture[begin : begin + block])
            ready += len(pieces[-1][stream.sources[0]])
            assert pushed - ready <= stream.latency
        pieces.append(stream.flush())
        for source in stream.sources:
            stem = np.concatenate([piece[source] for piece in pieces])
            np.testing.assert_allclose(stem, expected[source], rtol=0, atol=1e-5)

    check()


@pytest.mark.parametrize("system", NETWORKS)
def test_engines_agree(system: str, models: Path) -> None:
    mixture = mixture_of(5_000)
    first, second = (
        Separator(path_of(system, models), engine=engine, precision="float32")
        for engine in ("openvino", "keras")
    )
    ours, theirs = first.separate(mixture, RATE), second.separate(mixture, RATE)
    for source in first.sources:
        np.testing.assert_allclose(ours[source], theirs[source], rtol=0, atol=1e-5)


@pytest.mark.parametrize("system", NETWORKS)
def test_a_sample_hears_its_context_and_no_more(system: str, models: Path) -> None:
    separator = Separator(path_of(system, models))
    left, right = separator.left_context, separator.right_context
    mixture = mixture_of(3 * (left + right))
    before = separator.separate(mixture, RATE)
    place = len(mixture) // 2
    mixture[place] += 0.5
    after = separator.separate(mixture, RATE)
    changed = np.flatnonzero((after["vocals"] != before["vocals"]).any(axis=1))
    size = NETWORKS[system].frame_size
    assert changed.min() >= place - right - size
    assert changed.max() <= place + left + size


def test_speeds_are_the_mean_of_three(models: Path, tmp_path: Path) -> None:
    mixture, file = mixture_of(4_000), read_model_file(models / "unet.safetensors")
    stems = Separator(path_of("unet:speeds", models)).separate(mixture, RATE)
    apart = []
    for rate in (8_000, 8_989, 7_143):  # who takes fewer samples for a second hears it faster
        replace(file, sample_rate=rate).save(tmp_path / "played.safetensors")
        apart.append(Separator(tmp_path / "played.safetensors").separate(mixture, RATE)["vocals"])
    np.testing.assert_allclose(stems["vocals"], np.mean(apart, axis=0), atol=1e-6)


def test_the_order_of_what_stands_behind_a_name_does_not_matter(models: Path) -> None:
    mixture = mixture_of(4_000)
    first, second = (
        Separator(path_of(system, models)).separate(mixture, RATE)["vocals"]
        for system in ("mask_cnn:speeds:wiener", "mask_cnn:wiener:speeds")
    )
    np.testing.assert_array_equal(first, second)


def weigh(tree: str, models: Path, mixture: Audio) -> Audio:
    """Return the vocals of means worked out from their parts, each separated alone."""
    parts = tree.split("+")
    alone = [Separator(path_of(part, models)).separate(mixture, RATE)["vocals"] for part in parts]
    return np.asarray(np.mean(alone, axis=0))


@pytest.mark.parametrize("system", AVERAGED)
def test_each_part_of_a_mean_has_the_same_weight(system: str, models: Path) -> None:
    mixture = mixture_of(4_000)
    vocals = Separator(path_of(system, models)).separate(mixture, RATE)["vocals"]
    np.testing.assert_allclose(vocals, weigh(system, models, mixture), atol=1e-6)


def test_speeds_change_no_rate(models: Path) -> None:
    plain, speeds = (Separator(path_of(name, models)) for name in ("unet", "unet:speeds"))
    assert plain.sample_rate == speeds.sample_rate == RATE
    # the slowest hears the longest time
    assert speeds.left_context == pytest.approx(1.12 * plain.left_context, rel=1e-3)


@pytest.mark.parametrize("name", ["unet:speeds:wiener", "unet+unet:speeds", "unet:wiener+unet"])
def test_a_network_is_compiled_once(
    name: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wavesep.engines.openvino import network, runtime

    compiled: list[str] = []

    def compile_graph(*given: Any) -> Any:
        compiled.append(name)
        return runtime.compile_graph(*given)

    monkeypatch.setattr(network, "compile_graph", compile_graph)
    Separator(path_of(name, models))
    assert len(compiled) == 1


SLOW_SUFFIXES = [pytest.param(s, marks=pytest.mark.slow) for s in (":wiener", ":speeds")]


@pytest.mark.parametrize("suffix", ["", *SLOW_SUFFIXES, ":speeds:wiener"])
@pytest.mark.parametrize("name", ["a+b.safetensors", "a:speeds", "a+b:wiener+c"])
def test_a_file_has_what_name_it_likes(
    name: str, suffix: str, models: Path, tmp_path: Path
) -> None:
    plain, odd = models / "unet.safetensors", tmp_path / name
    odd.write_bytes(plain.read_bytes())
    mixture = mixture_of(1_000)

    for before, after in (("", ""), ("centre+", ""), ("", "+centre")):
        first, second = (
            Separator(f"{before}{path}{suffix}{after}").separate(mixture, RATE)["vocals"]
            for path in (plain, odd)
        )
        np.testing.assert_array_equal(first, second)


def test_a_suffix_belongs_to_the_name_before_it(models: Path) -> None:
    separator = Separator(path_of("unet:wiener+mask_cnn:speeds", models))
    systems = [ready.system for ready in leaves(separator._systems)]
    assert [(s.file.kind, s.wiener, s.speed) for s in systems] == [
        ("unet", True, 1.0),
        *(("frame_cnn", False, speed) for speed in (1.0, 0.89, 1.12)),
    ]


def test_wiener_gives_each_frequency_to_the_louder(models: Path) -> None:
    mixture = mixture_of(20_000)
    bare = Separator(path_of("mask_cnn", models)).separate(mixture, RATE)
    weighed = Separator(path_of("mask_cnn:wiener", models)).separate(mixture, RATE)
    # an independent way: SciPy's transform of the whole song
    from scipy.signal import istft, stft

    form: dict[str, Any] = {"nperseg": 4096, "noverlap": 3072, "axis": 0}
    ours, rest, both = (
        stft(x, **form)[2] for x in (bare["vocals"], bare["accompaniment"], mixture)
    )
    mask = np.abs(ours) ** 2 / np.maximum(np.abs(ours) ** 2 + np.abs(rest) ** 2, 1e-20)
    expected = istft(mask * both, nperseg=4096, noverlap=3072, time_axis=-1, freq_axis=0)[1].T[
        : len(mixture)
    ]
    # SciPy pads the ends in another way
    inner = slice(4096, -4096)
    np.testing.assert_allclose(weighed["vocals"][inner], expected[inner], atol=2e-5)


@pytest.mark.parametrize("rule", RULES)
def test_rules_need_no_weights(rule: str) -> None:
    file = read_model_file(rule)
    assert (file.parameters, file.sources) == (0, ("vocals", "accompaniment"))
    with pytest.raises(ModelFileError, match="rule"):
        load_model(rule)


@pytest.mark.parametrize("rule", ["centre", "phase_cancellation"])
def test_what_is_in_the_centre_is_the_vocals(rule: str) -> None:
    rng = np.random.default_rng(0)
    centre, side = rng.normal(0, 0.1, (2, 30_000, 1)).astype(np.float32)
    mixture = np.concatenate([centre, centre], axis=1)
    separator = Separator(rule, chunk_seconds=0.2)

    stems = separator.separate(mixture, 44_100)
    np.testing.assert_allclose(stems["vocals"], mixture, atol=1e-5)
    opposite = np.concatenate([side, -side], axis=1)
    stems = separator.separate(opposite, 44_100)
    np.testing.assert_allclose(stems["accompaniment"], opposite, atol=1e-5)


def test_the_harmonic_rule_finds_a_voice_in_noise_whatever_the_chunks() -> None:
    rate = 22_050
    time = np.arange(6 * rate) / rate
    f0 = 220 * (1 + 0.02 * np.sin(2 * np.pi * 5 * time))
    voice = sum(0.1 / k * np.sin(2 * np.pi * k * np.cumsum(f0) / rate) for k in range(1, 12))
    voice = np.where(time > 3, voice, 0)
    noise = np.random.default_rng(0).normal(0, 0.01, len(time))
    mixture = (voice + noise)[:, np.newaxis].astype(np.float32)

    whole = Separator("harmonic").separate(mixture, rate)["vocals"]
    cut = Separator("harmonic", chunk_seconds=0.4).separate(mixture, rate)["vocals"]

    np.testing.assert_allclose(cut, whole, rtol=0, atol=1e-5)
    from wavesep.evaluation import si_sdr

    target = voice[:, np.newaxis].astype(np.float32)
    assert si_sdr(target, whole) > si_sdr(target, mixture)
    assert np.square(whole[: 2 * rate]).mean() < 0.1 * np.square(mixture[: 2 * rate]).mean()


def test_all_systems_are_listed() -> None:
    listed = list_models()
    assert {"vocals", *RULES} <= {name for name, model in listed.items() if model.ships}
    for name, model in listed.items():
        assert model.about
        if model.kind == "mean":
            assert all(part in model.input and listed[part].ships for part in MEANS[name].parts)
            continue
        assert "Hz" in model.input
        if model.ships:
            assert read_model_file(name).kind == model.kind
        else:
            with pytest.raises(ModelFileError, match="no model"):
                read_model_file(name)


def test_what_cannot_separate_is_refused(models: Path, tmp_path: Path) -> None:
    network = ActivityArchitecture(filters=(2, 2, 2, 2)).network()
    path = tmp_path / "activity.safetensors"
    ModelFile.from_network(network, sample_rate=RATE, sources=("activity",)).save(path)

    with pytest.raises(OptionError, match="vocal_activity"):
        Separator(path)
    with pytest.raises(OptionError, match="different sources"):
        Separator(path_of("unet+unet_stereo", models))
    with pytest.raises(ModelFileError, match="no model ''"):
        Separator("vocals+")


@pytest.mark.parametrize("system", MOST_SYSTEMS)
def test_bad_input(system: str, models: Path) -> None:
    separator = Separator(path_of(system, models))
    with pytest.raises(EmptyAudioError):
        separator.separate(np.zeros((0, 2), np.float32), RATE)
    bad = mixture_of(500)
    bad[100, 1] = np.nan
    with pytest.raises(NonFiniteAudioError, match="sample 100"):
        separator.separate(bad, RATE)
    silent = separator.separate(np.zeros((3_000, 2), np.float32), RATE)
    assert not any(stem.any() for stem in silent.values())


@pytest.mark.parametrize("model", [*shipped_models(), *RULES])
def test_no_chunk_is_so_long_that_progress_stands_still(model: str) -> None:
    file = read_model_file(model)
    plan = chunk_plan(System(file), None)

    assert plan.chunk <= max(30 * file.sample_rate, 2 * (plan.left_context + plan.right_context))
