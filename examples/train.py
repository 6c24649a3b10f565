"""Train a network on folders of audio, one for each stem.

    python examples/train.py vocals/ accompaniment/
    python examples/train.py vocals/ drums/ bass/ other/ --preset unet

The network learns all stems but the last, which is what they leave of the mixture. The folders need
not be of the same songs; files of the same name are taken for the stems of one song; what cannot be
read is named and left out. Stop with Ctrl-C and run the same command again: training goes on where
it was, at most five minutes back. Watch and listen with ``tensorboard --logdir runs``; the figures
of every epoch are in log.jsonl, too. Without --valid, a tenth of the songs is kept back to measure
with. ``--epochs 2 --steps 10`` is to try it.

``--preset vocal_activity --labels clips.csv`` trains the network that says when somebody sings.
"""

# ruff: noqa: E402
# What loads TensorFlow comes after what holds back its noise.
import argparse
import json
import logging
import math
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import wavesep
from wavesep.cli.console import hushed
from wavesep.errors import OtherRunError, WavesepError
from wavesep.models.backend import load_backend

STOPPED = "stopped; the same command goes on where it was, at most five minutes back"


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line what a person did, or has, that cannot work."""
    if issubclass(kind, OtherRunError):
        print(f"train.py: {error}, by --run", file=sys.stderr)
    elif issubclass(kind, (WavesepError, OSError)):
        print(f"train.py: {error}", file=sys.stderr)
    elif issubclass(kind, KeyboardInterrupt):
        print(STOPPED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = tell
with hushed():  # TensorFlow writes a dozen lines while it loads
    load_backend()

import keras

from wavesep.bench.limits import product_rate
from wavesep.data import Clips, MixGenerator
from wavesep.data.clips import pairs, split_names
from wavesep.data.labels import ActivityExamples, read_labels
from wavesep.data.production import Production
from wavesep.data.spectrograms import snippet_samples
from wavesep.engines.keras_engine import computing_in, find_place
from wavesep.models.files import network_class, read_model_file
from wavesep.models.kinds import KINDS
from wavesep.models.presets import SPECTROGRAM_PRESETS
from wavesep.training import Validation, fit
from wavesep.training.activity import ActivityValidation

SECONDS = 5  # that a WaveNet's loss sees of each mixture; the context comes on top
BATCHES = 100  # in an epoch, after which the run is measured and saved

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("stems", type=Path, nargs="+", metavar="STEM", help="folders, two at least")
parser.add_argument(
    "--valid", type=Path, metavar="FOLDER",
    help="songs to measure with: a folder of folders with the names of the stems'; of two stems, "
         "vocals/ and accompaniment/",
)  # fmt: skip
parser.add_argument(
    "--most", type=int, default=24, help="snippets to measure with (default: %(default)s)"
)
parser.add_argument("--run", default="runs/first", help="checkpoints, logs (default: %(default)s)")
parser.add_argument(
    "--preset", default="filterbank", choices=sorted([*wavesep.PRESETS, *SPECTROGRAM_PRESETS])
)
parser.add_argument("--epochs", type=int, default=50, help="default: %(default)s")
parser.add_argument("--steps", type=int, default=BATCHES, help="of an epoch (default: %(default)s)")
parser.add_argument("--batch-size", type=int, default=8, help="mixtures (default: %(default)s)")
parser.add_argument(
    "--learning-rate", type=float,
    help="of the first step; it falls to zero in the shape of a cosine (default: the network's)",
)  # fmt: skip
parser.add_argument(
    "--precision", default="float32", choices=["float32", "bfloat16"],
    help="that layers compute in; their weights stay float32 (default: %(default)s)",
)  # fmt: skip
parser.add_argument(
    "--patience", type=int, default=20,
    help="stop early after so many epochs without a better one; the last ones, whose steps are "
         "small, help most, so give more to a run with --start (default: %(default)s)",
)  # fmt: skip
parser.add_argument("--start", help="begin with the weights of this model, a name or a file")
parser.add_argument(
    "--freeze", nargs="*", default=[], metavar="LAYER",
    help="leave the weights of these layers as they begin, such as analysis_bands",
)  # fmt: skip
parser.add_argument(
    "--dry",
    action="store_true",
    help="leave the vocals as they were recorded: no effects of a studio",
)
parser.add_argument("--labels", type=Path, metavar="CSV", help="MIR-1K's, of vocal activity")
parser.add_argument(
    "--strict", action="store_true", help="refuse a folder with a file that cannot be opened"
)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--card", type=Path, help="JSON with licence and data card of the weights")
args = parser.parse_args()
if len(args.stems) < 2:
    parser.error("give a folder for each stem, two at least")
for number in ("epochs", "steps", "batch_size", "most"):
    if getattr(args, number) < 1:
        parser.error(f"--{number.replace('_', '-')} must be 1 or more")
try:
    card = json.loads(args.card.read_text(encoding="utf-8")) if args.card else {}
except ValueError as error:
    parser.error(f"{args.card} is no JSON: {error}")
logging.basicConfig(level=logging.INFO, format="%(message)s")

if args.start:
    file = read_model_file(args.start)
    kind, rate, architecture = file.kind, file.sample_rate, file.architecture
elif args.preset in SPECTROGRAM_PRESETS:
    kind, rate, architecture = SPECTROGRAM_PRESETS[args.preset]
else:
    kind, rate, architecture = "wavenet", 44_100, wavesep.PRESETS[args.preset]
activity = architecture.get("answer") == "activity"
if activity and not args.labels:
    parser.error("--preset vocal_activity needs --labels")
sources = ("vocals", "accompaniment")
if len(args.stems) > 2:
    sources = tuple(folder.name for folder in args.stems)
targets = len(sources) - 1

keras.utils.set_random_seed(args.seed)
with computing_in(args.precision):
    if args.start:
        network = wavesep.load_model(args.start, padding="valid")
    else:
        options = {"padding": "valid"} if kind == "wavenet" else {}
        network = network_class(kind)(**(architecture | {"targets": targets}), **options)
for name in args.freeze:
    if name not in [layer.name for layer in network.layers]:
        parser.error(f"--freeze: the network has no layer {name}")
    network.get_layer(name).trainable = False

stems = [Clips(folder, in_memory=True, strict=args.strict) for folder in args.stems]
if args.valid:
    valid = [Clips(args.valid / source, strict=args.strict) for source in sources]
else:
    songs = [stems[0].names[i] for i, *_ in pairs(*stems)]
    _, held_back = split_names(songs, valid_share=0.1, seed=args.seed)
    valid = [Clips(folder, held_back) for folder in args.stems]
    stems = [
        Clips(folder, {*clips.names} - held_back, in_memory=True)
        for folder, clips in zip(args.stems, stems, strict=True)
    ]

form = {"sample_rate": rate, "channels": architecture["channels"], "targets": targets}
contexts = {"left_context": network.left_context, "right_context": network.right_context}
frame_size = KINDS[kind].frame_size(architecture)
samples = math.ceil(SECONDS * rate / frame_size) * frame_size
order = {"batches": args.steps, "batch_size": args.batch_size, "seed": args.seed}
mixes: MixGenerator | ActivityExamples
validation: Validation | ActivityValidation
if activity:
    known: dict[str, Any] = {
        "labels": read_labels(args.labels), "architecture": architecture, "sample_rate": rate,
    }  # fmt: skip
    mixes = ActivityExamples(stems[0], stems[1], **known, **order)
    validation = ActivityValidation(valid[0], valid[1], **known, most=args.most)
else:
    around, length = contexts, samples
    if kind != "wavenet":  # a patch of a spectrogram has nothing around it
        around, length = dict.fromkeys(contexts, 0), snippet_samples(architecture, kind)
    production = Production() if sources[0] == "vocals" and not args.dry else None
    mixes = MixGenerator(
        *stems, samples=length, production=production, workers=os.cpu_count() or 1,
        **form, **around, **order,
    )  # fmt: skip
    validation = Validation(*valid, samples=samples, most=args.most, **form, **contexts)
for folder, clips in zip(args.stems, stems, strict=True):
    print(f"{folder}: {len(clips):,} files, {clips.seconds.sum() / 3600:.2g} hours")
print(
    f"{network.count_params():,} parameters; {args.epochs} epochs of {args.steps} steps of "
    f"{args.batch_size} mixtures; {args.run}/ holds what comes of it",
    flush=True,
)
fit(
    network, mixes, validation, run=args.run, epochs=args.epochs,
    learning_rate=args.learning_rate, patience=args.patience,
    sources=("activity",) if activity else sources,
    licence=card.pop("licence", "not stated"), card=card,
    limit=product_rate(find_place(None), args.precision),
)  # fmt: skip
if not activity:
    print(f"listen: wavesep separate --model {args.run}/best.safetensors SONG")
