"""Train a WaveNet on two folders of audio, one of vocals and one of accompaniment.

    python examples/train_wavenet.py vocals/ accompaniment/

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
from wavesep.engines.keras_engine import computing_in, find_place
from wavesep.training import Validation, fit

SAMPLE_RATE = 44_100  # Hz
SNIPPET = 5 * SAMPLE_RATE  # samples that the loss sees of each mixture; the context comes on top
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
parser.add_argument("--run", default="runs/first", help="checkpoints, logs (default: %(default)s)")
parser.add_argument("--preset", default="filterbank", choices=sorted(wavesep.PRESETS))
parser.add_argument("--epochs", type=int, default=50, help="default: %(default)s")
parser.add_argument("--batch-size", type=int, default=8, help="mixtures (default: %(default)s)")
parser.add_argument(
    "--learning-rate", type=float, default=1e-3,
    help="of the first step; it falls to zero in the shape of a cosine (default: %(default)s)",
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
with computing_in(args.precision):
    if args.start:
        network = wavesep.load_model(args.start, padding="valid")
    else:
        network = wavesep.WaveNet(**wavesep.PRESETS[args.preset], padding="valid")
for layer in args.freeze:
    network.get_layer(layer).trainable = False
network.summary(line_length=100)
channels = network.config["channels"]
samples = SNIPPET // network.config["frame_size"] * network.config["frame_size"]

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
    vocals, accompaniment, samples=samples, sample_rate=SAMPLE_RATE, channels=channels,
    batches=BATCHES, batch_size=args.batch_size, seed=args.seed, workers=os.cpu_count() or 1,
    left_context=network.left_context, right_context=network.right_context,
)  # fmt: skip
validation = Validation(
    *valid, samples=samples, sample_rate=SAMPLE_RATE, channels=channels,
    left_context=network.left_context, right_context=network.right_context,
)  # fmt: skip
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
