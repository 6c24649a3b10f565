"""``wavesep train``."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..audio import TWO_STEMS
from ..errors import OptionError, OtherRunError
from ..models.base import Architecture
from ..models.files import ModelFile, read_model_file
from ..models.frame_cnn.architecture import ActivityArchitecture
from ..models.presets import PRESETS
from .console import INTERRUPTED, add_command, hushed

if TYPE_CHECKING:  # these load Keras
    import keras

    from ..data import Clips
    from ..training import About
    from ..training.examples import Mixes, Validating

TRAIN = """Train a network on folders of audio, one for each stem.

  wavesep train vocals/ accompaniment/
  wavesep train vocals/ drums/ bass/ other/ --preset unet

The network learns all stems but the last, which is what they leave of the
mixture. The folders need not be of the same songs. Files of the same name are
the stems of one song. Files that cannot be read are named and left out.

Stop with Ctrl-C and run the same command again: training goes on where it was,
at most five minutes back. Watch and listen with "tensorboard --logdir runs".
The figures of every epoch are in log.jsonl, too. Without --valid, a tenth of
the songs whose stems are all there is kept back to measure with, so folders of
different songs need --valid. "--epochs 2 --steps 10" is to try it.

"--preset vocal_activity --labels clips.csv" trains the network that says when
somebody sings.
"""
STOPPED = "stopped; the same command goes on where it was, at most five minutes back"
COUNTS = ("epochs", "steps", "batch_size", "most")

log = logging.getLogger("wavesep")


def add_train(commands: Any) -> None:
    """Add ``wavesep train``."""
    command = add_command(commands, train, "train a network on folders of audio", TRAIN)
    add = command.add_argument
    presets = sorted(name for name, preset in PRESETS.items() if preset.architecture.trained)
    # fmt: off
    add("stems", type=Path, nargs="+", metavar="STEM", help="folders, two at least")
    add("--valid", type=Path, metavar="FOLDER",
        help="songs to measure with: a folder of folders with the names of the stems'; of two "
             "stems, vocals/ and accompaniment/")
    add("--most", type=int, default=24, help="snippets to measure with (default: %(default)s)")
    add("--run", type=Path, default=Path("runs/first"), dest="folder", metavar="FOLDER",
        help="checkpoints, logs (default: %(default)s)")
    add("--preset", default="filterbank", choices=presets, metavar="NAME",
        help=f"one of {', '.join(presets)} (default: %(default)s)")
    add("--epochs", type=int, default=50, help="default: %(default)s")
    add("--steps", type=int, default=100, metavar="N",
        help="of an epoch; after each, the run is measured and saved (default: %(default)s)")
    add("--batch-size", type=int, default=8, metavar="N", help="mixtures (default: %(default)s)")
    add("--seconds", type=float, default=5.0, metavar="S",
        help="of a mixture, without its context; for networks on raw samples "
             "(default: %(default)s)")
    add("--learning-rate", type=float, metavar="RATE",
        help="of the first step; it falls to zero as a cosine (default: the network's)")
    add("--precision", default="float32", choices=["float32", "bfloat16"],
        help="that layers compute in; their weights stay float32 (default: %(default)s)")
    add("--patience", type=int, default=20, metavar="N",
        help="stop early after so many epochs without a better one; the last epochs, whose steps "
             "are small, help most, so give more to a run with --start (default: %(default)s)")
    add("--start", metavar="NAME|FILE", help="begin with the weights of this model")
    add("--freeze", nargs="*", default=[], metavar="LAYER",
        help="leave the weights of these layers as they begin, such as analysis_bands")
    add("--dry", action="store_true",
        help="leave the vocals as they were recorded: no effects of a studio")
    add("--labels", type=Path, metavar="CSV", help="MIR-1K's, of vocal activity")
    add("--strict", action="store_true",
        help="refuse a folder with a file that cannot be opened")
    add("--seed", type=int, default=0)
    add("--card", type=Path, metavar="JSON", help="licence and data card of the weights")
    # fmt: on


def train(args: argparse.Namespace, console: Console) -> int:
    """Train, say how far it is, and leave the best model in the folder of the run."""
    del console  # the run says itself how far it is
    check(args)
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    try:
        with hushed():  # TensorFlow writes a dozen lines while it loads
            from ..training import fit
        run(args, fit)
    except OtherRunError as error:
        raise OtherRunError(f"{error}, by --run") from error
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED
    return 0


def check(args: argparse.Namespace) -> None:
    """Raise OptionError on what cannot be trained."""
    if len(args.stems) < 2:
        raise OptionError("give a folder for each stem, two at least")
    for name in COUNTS:
        if getattr(args, name) < 1:
            raise OptionError(f"--{name.replace('_', '-')} must be 1 or more")
    if not 0 < args.seconds < math.inf:
        raise OptionError("--seconds must be more than 0")


def run(args: argparse.Namespace, fit: Any) -> None:
    """Build the network, open the folders and train."""
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
    for folder, clips in zip(args.stems, stems, strict=True):
        print(f"{folder}: {len(clips):,} files, {clips.seconds.sum() / 3600:.2g} hours")
    print(
        f"{network.count_params():,} parameters; {args.epochs} epochs of {args.steps} steps of "
        f"{args.batch_size} mixtures; results are in {args.folder}/",
        flush=True,
    )
    fit(
        network, mixes, validation, run=args.folder, epochs=args.epochs,
        learning_rate=args.learning_rate, patience=args.patience, about=about,
        limit=product_rate(device_type(None), args.precision),
    )  # fmt: skip
    if about.sources != ("activity",):
        print(f"listen: wavesep separate --model {args.folder}/best.safetensors SONG")


def read_about(args: argparse.Namespace) -> About:
    """Return what the model file is to say, or raise OptionError if the card is no JSON."""
    from ..training import About

    sources = TWO_STEMS if len(args.stems) == 2 else tuple(folder.name for folder in args.stems)
    try:
        card = json.loads(args.card.read_text(encoding="utf-8")) if args.card else {}
    except (OSError, ValueError) as error:
        raise OptionError(f"{args.card} cannot be read as JSON: {error}") from error
    return About(sources=sources, licence=card.pop("licence", "not stated"), card=card)


def architecture_of(args: argparse.Namespace, file: ModelFile | None) -> tuple[Architecture, int]:
    """Return the architecture and the sample rate of a file or a preset, or raise OptionError."""
    if file:
        architecture, sample_rate = file.architecture, file.sample_rate
    else:
        preset = PRESETS[args.preset]
        architecture = replace(preset.architecture, targets=len(args.stems) - 1)
        sample_rate = preset.sample_rate
    if isinstance(architecture, ActivityArchitecture) and not args.labels:
        raise OptionError("a network that says when somebody sings needs --labels")
    return architecture, sample_rate


def build(
    args: argparse.Namespace, architecture: Architecture, file: ModelFile | None
) -> keras.Model:
    """Build the network and freeze layers, or raise OptionError."""
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
    """Return the clips to train on and those to measure with, a set for each stem."""
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
    """Return what is trained on, what is measured with, and what the model file says."""
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
    """Return the same for a network of vocal activity."""
    from ..data.labels import ActivityExamples, read_labels
    from ..training.activity import ActivityValidation

    known: dict[str, Any] = {
        "labels": read_labels(args.labels),
        "architecture": architecture,
        "sample_rate": sample_rate,
    }
    mixes = ActivityExamples(stems[0], stems[1], **known, **order)
    return mixes, ActivityValidation(valid[0], valid[1], **known, most=args.most)
