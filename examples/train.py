"""Train a network on two folders of audio, one of vocals and one of accompaniment.

    python examples/train.py vocals/ accompaniment/

The two need not be of the same songs; where two files have the same name, they are taken for the
two stems of one song. Stop with Ctrl-C and run the same command again: training goes on where it
was. Watch and listen with ``tensorboard --logdir runs``. Without --valid, a tenth of the songs is
kept back to measure with.
"""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import keras

import wavesep
from wavesep.bench.limits import limits
from wavesep.data import Clips, MixGenerator
from wavesep.data.clips import split_names
from wavesep.data.spectrograms import snippet_samples
from wavesep.engines.keras_engine import computing_in, find_place
from wavesep.models.files import network_class, read_model_file
from wavesep.models.kinds import KINDS
from wavesep.models.presets import SPECTROGRAM_PRESETS
from wavesep.training import Validation, fit

SECONDS = 5  # that a WaveNet's loss sees of each mixture; the context comes on top
BATCHES = 100  # in an epoch, after which the run is measured and saved
PATIENCE = 10  # epochs without a better one before it stops early

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("vocals", type=Path, help="folder of vocals")
parser.add_argument("accompaniment", type=Path, help="folder of accompaniment")
parser.add_argument(
    "--valid", type=Path, metavar="FOLDER",
    help="songs to measure with: a folder with vocals/ and accompaniment/, equal names",
)  # fmt: skip
parser.add_argument(
    "--most", type=int, default=24, help="snippets that are measured (default: %(default)s)"
)
parser.add_argument("--run", default="runs/first", help="checkpoints, logs (default: %(default)s)")
parser.add_argument("--preset", default="filterbank",
                    choices=sorted([*wavesep.PRESETS, *SPECTROGRAM_PRESETS]))  # fmt: skip
parser.add_argument("--epochs", type=int, default=50, help="default: %(default)s")
parser.add_argument("--batch-size", type=int, default=8, help="mixtures (default: %(default)s)")
parser.add_argument(
    "--learning-rate", type=float,
    help="of the first step; it falls to zero in the shape of a cosine (default: the network's)",
)  # fmt: skip
parser.add_argument(
    "--precision", default="float32", choices=["float32", "bfloat16"],
    help="that layers compute in; their weights stay float32 (default: %(default)s)",
)  # fmt: skip
parser.add_argument("--start", help="begin with the weights of this model, a name or a file")
parser.add_argument(
    "--freeze", nargs="*", default=[], metavar="LAYER",
    help="leave the weights of these layers as they begin, such as analysis_bands",
)  # fmt: skip
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--card", type=Path, help="JSON with licence and data card of the weights")
args = parser.parse_args()
logging.basicConfig(level=logging.INFO, format="%(message)s")

keras.utils.set_random_seed(args.seed)
if args.start:
    file = read_model_file(args.start)
    kind, rate, architecture = file.kind, file.sample_rate, file.architecture
elif args.preset in SPECTROGRAM_PRESETS:
    kind, rate, architecture = SPECTROGRAM_PRESETS[args.preset]
else:
    kind, rate, architecture = "wavenet", 44_100, wavesep.PRESETS[args.preset]
with computing_in(args.precision):
    if args.start:
        network = wavesep.load_model(args.start, padding="valid")
    else:
        options = {"padding": "valid"} if kind == "wavenet" else {}
        network = network_class(kind)(**architecture, **options)
for layer in args.freeze:
    network.get_layer(layer).trainable = False
network.summary(line_length=100)
channels = architecture["channels"]
form = {"sample_rate": rate, "channels": channels}
contexts = {"left_context": network.left_context, "right_context": network.right_context}
if kind == "wavenet":
    frame_size = architecture["frame_size"]
    samples = SECONDS * rate // frame_size * frame_size
    snippet = form | contexts | {"samples": samples}
else:  # patches of a spectrogram have nothing around them
    frame_size = KINDS[kind].frame_size(architecture)
    samples = -(-SECONDS * rate // frame_size) * frame_size
    without = dict.fromkeys(contexts, 0)
    snippet = form | without | {"samples": snippet_samples(architecture, kind)}

vocals = Clips(args.vocals, in_memory=True)
accompaniment = Clips(args.accompaniment, in_memory=True)
if args.valid:
    valid = Clips(args.valid / "vocals"), Clips(args.valid / "accompaniment")
else:
    songs = sorted({*vocals.names} & {*accompaniment.names})
    _, held_back = split_names(songs, valid_share=0.1, seed=args.seed)
    valid = Clips(args.vocals, held_back), Clips(args.accompaniment, held_back)
    vocals = Clips(args.vocals, {*vocals.names} - held_back, in_memory=True)
    accompaniment = Clips(args.accompaniment, {*accompaniment.names} - held_back, in_memory=True)

mixes = MixGenerator(
    vocals, accompaniment, **snippet, batches=BATCHES, batch_size=args.batch_size,
    seed=args.seed, workers=os.cpu_count() or 1,
)  # fmt: skip
validation = Validation(*valid, samples=samples, **form, **contexts, most=args.most)
rates = {row["limit"]: 1e9 * float(row["rate"]) for row in limits(find_place(None))}
card = json.loads(args.card.read_text(encoding="utf-8")) if args.card else {}

try:
    fit(
        network, mixes, validation, run=args.run, epochs=args.epochs,
        learning_rate=args.learning_rate, patience=PATIENCE,
        licence=card.pop("licence", "not stated"), card=card,
        limit=rates.get(f"matrix product, {args.precision}"),
    )  # fmt: skip
except KeyboardInterrupt:
    sys.exit("stopped; the same command goes on from the last whole epoch")
print(f"listen: wavesep separate --model {args.run}/best.safetensors SONG")
