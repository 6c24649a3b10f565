"""``wavesep train``."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..audio import TWO_STEMS
from ..errors import OptionError, OtherRunError, WorkerError
from ..models.base import Architecture
from ..models.files import ModelFile, read_model_file
from ..models.frame_cnn.architecture import ActivityArchitecture
from ..models.presets import PRESETS
from ..workers import LOOPBACK, LOST, joined, meet
from .console import INTERRUPTED, add_command, hushed
from .workers import SUPERVISED, supervise

if TYPE_CHECKING:  # these load Keras
    import keras

    from ..data import Clips
    from ..training import About
    from ..training.examples import Mixes, Validating

TRAIN = """Train a network on folders of audio, one for each stem.

  wavesep train vocals/ accompaniment/
  wavesep train vocals/ drums/ bass/ other/ --preset unet

The network learns all stems except the last. The last stem is the mixture minus
the others. Files of the same name are the stems of one song. A file that the
other folders do not have is used, too. Files that cannot be read are reported
and skipped.

Ctrl-C stops the training. The same command resumes it and loses at most five
minutes. "tensorboard --logdir runs" shows the progress and plays estimates. The
scores of every epoch are also in log.jsonl. Without --valid, a tenth of the
songs with all stems is kept for validation; at least two are needed, so folders
of different songs need --valid. "--epochs 2 --steps 10" is a short trial.

"--preset vocal_activity --labels clips.csv" trains the network that detects
singing.

With "--workers N", N processes on this machine train together, each on its
share of every batch. On several machines, start N processes of the same command
with --coordinator and --rank. Workers need KERAS_BACKEND=jax.
"""
STOPPED = "stopped: run the same command to resume; at most five minutes are lost"
COUNTS = ("epochs", "steps", "batch_size", "most", "workers")

log = logging.getLogger("wavesep")


def add_train(commands: Any) -> None:
    """Add ``wavesep train``."""
    command = add_command(commands, train, "train a network on folders of audio", TRAIN)
    add = command.add_argument
    presets = sorted(name for name, preset in PRESETS.items() if preset.architecture.trained)
    # fmt: off
    add("stems", type=Path, nargs="+", metavar="STEM", help="a folder for each stem, at least two")
    add("--valid", type=Path, metavar="FOLDER",
        help="songs for validation: a folder that contains a folder for each stem, of the same "
             "name; for two stems, vocals/ and accompaniment/")
    add("--most", type=int, default=24, help="validation snippets at most (default: %(default)s)")
    add("--run", type=Path, default=Path("runs/first"), dest="folder", metavar="FOLDER",
        help="folder for weights, checkpoints and logs (default: %(default)s)")
    add("--preset", default="filterbank", choices=presets, metavar="NAME",
        help=f"one of {', '.join(presets)} (default: %(default)s)")
    add("--epochs", type=int, default=50, help="default: %(default)s")
    add("--steps", type=int, default=100, metavar="N",
        help="steps in an epoch; validation follows each epoch (default: %(default)s)")
    add("--batch-size", type=int, default=8, metavar="N",
        help="mixtures in a step (default: %(default)s)")
    add("--seconds", type=float, default=5.0, metavar="S",
        help="length of a mixture without its context, for networks on raw samples "
             "(default: %(default)s)")
    add("--learning-rate", type=float, metavar="RATE",
        help="rate of the first step; it decays to 0 as a cosine (default: the network's)")
    add("--precision", default="float32", choices=["float32", "bfloat16"],
        help="precision of the layers; weights stay float32 (default: %(default)s)")
    add("--patience", type=int, default=20, metavar="N",
        help="stop after N epochs without improvement. The last epochs, with small learning "
             "rates, improve most, so choose a larger N with --start (default: %(default)s)")
    add("--start", metavar="NAME|FILE", help="start with the weights of this model")
    add("--freeze", nargs="*", default=[], metavar="LAYER",
        help="do not train these layers, such as analysis_bands")
    add("--dry", action="store_true",
        help="do not apply studio effects to the vocals")
    add("--labels", type=Path, metavar="CSV", help="labels of MIR-1K for vocal activity")
    add("--strict", action="store_true",
        help="stop if a file cannot be opened (default: skip it)")
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=1, metavar="N",
        help="processes that train together (default: %(default)s)")
    add("--coordinator", type=address, metavar="HOST:PORT",
        help="where worker 0 listens, if the workers are started one by one")
    add("--rank", type=int, metavar="R",
        help="this process is worker R of N, from 0, if they are started one by one")
    add("--card", type=Path, metavar="JSON", help="licence and data card for the model file")
    # fmt: on


def train(args: argparse.Namespace, console: Console) -> int:
    """Train a network, and write the best model and the checkpoints to the folder of the run.

    Raises
    ------
    OptionError
        If an option is invalid, or the folder holds a run with other settings.
    AudioError
        If a folder has no audio, or with ``--strict``, a file that cannot be opened.
    ModelFileError
        If the model of ``--start`` or the checkpoint cannot be read.
    OutputError
        If a file cannot be written.
    WorkerError
        If a worker dies again and again.
    """
    del console  # training prints its own progress
    check(args)
    try:
        if args.workers > 1 and args.rank is None:
            return supervise(args.argv, args.workers)
        with ExitStack() as stack:
            work(args, stack)
    except OtherRunError as error:
        raise OtherRunError(f"{error} (--run)") from error
    except WorkerError as error:
        if args.rank is None:
            raise
        print(f"wavesep: {error}", file=sys.stderr)
        return LOST
    except KeyboardInterrupt:
        if SUPERVISED not in os.environ:  # else the supervisor says it
            print(STOPPED, file=sys.stderr)
        return INTERRUPTED
    return 0


def address(text: str) -> tuple[str, int]:
    """Return the host and the port of "HOST:PORT"."""
    host, _, port = text.rpartition(":")
    if not host or not 0 < int(port) < 65_536:
        raise ValueError
    return host, int(port)


def work(args: argparse.Namespace, stack: ExitStack) -> None:
    """Train in this process, alone or as one of several workers; only worker 0 shows something."""
    if not args.rank:
        log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    host, port = args.coordinator or ("", 0)
    if args.workers > 1:
        meet(host, port, args.workers, args.rank)
    with hushed():  # TensorFlow writes a dozen lines while it loads
        from ..training import fit

        if args.workers > 1:
            # workers on the same machine have a GPU each
            device = args.rank if host in LOOPBACK else None
            stack.enter_context(joined(host, port, args.workers, args.rank, device))
    run(args, fit)


def check(args: argparse.Namespace) -> None:
    """Check the options that argparse cannot check.

    Raises
    ------
    OptionError
        If one is invalid.
    """
    if len(args.stems) < 2:
        raise OptionError("give at least two folders, one for each stem")
    for name in COUNTS:
        if getattr(args, name) < 1:
            raise OptionError(f"--{name.replace('_', '-')} must be 1 or more")
    if not 0 < args.seconds < math.inf:
        raise OptionError("--seconds must be more than 0")
    check_workers(args)


def check_workers(args: argparse.Namespace) -> None:
    """Check the options of workers.

    Raises
    ------
    OptionError
        If one is invalid.
    """
    if args.batch_size % args.workers:
        raise OptionError(
            f"{args.workers} workers cannot have equal shares of {args.batch_size} mixtures: "
            f"--batch-size must be a multiple of {args.workers}"
        )
    if (args.coordinator is None) != (args.rank is None):
        raise OptionError("--coordinator and --rank are given together, or neither is")
    if args.rank is not None and not 0 <= args.rank < args.workers:
        raise OptionError(f"--rank must be from 0 to {args.workers - 1}, not {args.rank}")


def run(args: argparse.Namespace, fit: Any) -> None:
    """Build the network, open the folders and train the network."""
    import keras

    from ..bench.limits import product_rate
    from ..engines.devices import device_type

    about = read_about(args)
    file = read_model_file(args.start) if args.start else None
    architecture, sample_rate = architecture_of(args, file)
    keras.utils.set_random_seed(args.seed)
    network = build(args, architecture, file)
    stems, valid = open_stems(args, about.sources)
    mixes, validation, about = examples_of(args, architecture, sample_rate, about, stems, valid)
    if not args.rank:
        introduce(args, network, stems)
    fit(
        network, mixes, validation, run=args.folder, epochs=args.epochs,
        learning_rate=args.learning_rate, patience=args.patience, about=about,
        limit=product_rate(device_type(None), args.precision),
    )  # fmt: skip
    if about.sources != ("activity",) and not args.rank:
        print(f"listen: wavesep separate --model {args.folder}/best.safetensors SONG")


def introduce(args: argparse.Namespace, network: keras.Model, stems: list[Clips]) -> None:
    """Say what is trained, and on what."""
    for folder, clips in zip(args.stems, stems, strict=True):
        print(f"{folder}: {len(clips):,} files, {clips.seconds.sum() / 3600:.2g} hours")
    print(
        f"{network.count_params():,} parameters; {args.epochs} epochs of {args.steps} steps of "
        f"{args.batch_size} mixtures; results are in {args.folder}/",
        flush=True,
    )


def read_about(args: argparse.Namespace) -> About:
    """Return the sources, the licence and the data card for the model file.

    Raises
    ------
    OptionError
        If the card cannot be read as JSON.
    """
    from ..training import About

    sources = TWO_STEMS if len(args.stems) == 2 else tuple(folder.name for folder in args.stems)
    try:
        card = json.loads(args.card.read_text(encoding="utf-8")) if args.card else {}
    except (OSError, ValueError) as error:
        raise OptionError(f"{args.card} cannot be read as JSON: {error}") from error
    return About(sources=sources, licence=card.pop("licence", "not stated"), card=card)


def architecture_of(args: argparse.Namespace, file: ModelFile | None) -> tuple[Architecture, int]:
    """Return the architecture and the sample rate of a file, or of the preset.

    Raises
    ------
    OptionError
        If the network detects vocal activity and there are no labels.
    """
    if file:
        architecture, sample_rate = file.architecture, file.sample_rate
    else:
        preset = PRESETS[args.preset]
        architecture = replace(preset.architecture, targets=len(args.stems) - 1)
        sample_rate = preset.sample_rate
    if isinstance(architecture, ActivityArchitecture) and not args.labels:
        raise OptionError("a vocal activity network needs --labels")
    return architecture, sample_rate


def build(
    args: argparse.Namespace, architecture: Architecture, file: ModelFile | None
) -> keras.Model:
    """Build the network and freeze layers.

    Raises
    ------
    OptionError
        If the network has no layer of a name.
    """
    from ..engines.devices import computing_in

    with computing_in(args.precision):
        network = file.build() if file else architecture.network()
    for name in args.freeze:
        if name not in [layer.name for layer in network.layers]:
            raise OptionError(f"--freeze: the network has no layer {name}")
        network.get_layer(name).trainable = False
    return network


def open_stems(
    args: argparse.Namespace, sources: tuple[str, ...]
) -> tuple[list[Clips], list[Clips]]:
    """Return the clips for training and those for validation, one set for each stem."""
    from ..data import Clips
    from ..data.clips import pairs, split_names

    stems = [Clips(folder, in_memory=True, strict=args.strict) for folder in args.stems]
    if args.valid:
        return stems, [Clips(args.valid / source, strict=args.strict) for source in sources]
    songs = [stems[0].names[i] for i, *_ in pairs(*stems)]
    _, held_back = split_names(songs, valid_share=0.1, seed=args.seed)
    kept = [
        Clips(folder, {*clips.names} - held_back, in_memory=True)
        for folder, clips in zip(args.stems, stems, strict=True)
    ]
    return kept, [Clips(folder, held_back) for folder in args.stems]


def examples_of(
    args: argparse.Namespace,
    architecture: Architecture,
    sample_rate: int,
    about: About,
    stems: list[Clips],
    valid: list[Clips],
) -> tuple[Mixes, Validating, About]:
    """Return the training examples, the validation, and the facts for the model file."""
    order: dict[str, Any] = {
        "batches": args.steps,
        "batch_size": args.batch_size,
        "seed": args.seed,
    }
    if isinstance(architecture, ActivityArchitecture):
        examples = activity_examples(args, architecture, sample_rate, stems, valid, order)
        return *examples, replace(about, sources=("activity",))

    from ..data import MixGenerator
    from ..data.production import Production
    from ..training import Validation

    left, right = architecture.context
    contexts: dict[str, Any] = {"left_context": left, "right_context": right}
    form: dict[str, Any] = {
        "sample_rate": sample_rate,
        "channels": architecture.channels,
        "targets": architecture.targets,
    }
    frame_size = architecture.frame_size
    samples = math.ceil(args.seconds * sample_rate / frame_size) * frame_size
    snippet = architecture.recipe().samples
    around = contexts if snippet is None else dict.fromkeys(contexts, 0)
    production = Production() if about.sources[0] == "vocals" and not args.dry else None
    mixes = MixGenerator(
        *stems, samples=snippet or samples, production=production, workers=os.cpu_count() or 1,
        **form, **around, **order,
    )  # fmt: skip
    validation = Validation(*valid, samples=samples, most=args.most, **form, **contexts)
    return mixes, validation, about


def activity_examples(
    args: argparse.Namespace,
    architecture: ActivityArchitecture,
    sample_rate: int,
    stems: list[Clips],
    valid: list[Clips],
    order: dict[str, Any],
) -> tuple[Mixes, Validating]:
    """Return the training examples and the validation of a vocal activity network."""
    from ..data.labels import ActivityExamples, read_labels
    from ..training.activity import ActivityValidation

    known: dict[str, Any] = {
        "labels": read_labels(args.labels),
        "architecture": architecture,
        "sample_rate": sample_rate,
    }
    mixes = ActivityExamples(stems[0], stems[1], **known, **order)
    return mixes, ActivityValidation(valid[0], valid[1], **known, most=args.most)
