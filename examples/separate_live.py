"""Take the voice out of what is playing, live: from an input device to an output device.

    python examples/separate_live.py                   # until Ctrl-C
    python examples/separate_live.py --stem vocals     # the voice alone
    python examples/separate_live.py song.mp3          # no device: a song, as if it came live

Devices need sounddevice, ``pip install "wavesep[live]"``, and on Linux PortAudio (libportaudio2).
They are the system's defaults; headphones keep the output from coming in again. What comes out is
late by the latency that is printed. At the end it says how many blocks came too late to be played
without a gap.
"""

import argparse
import time

import numpy as np
import soundfile
from rich.progress import track

from wavesep import Separator
from wavesep.audio.read import read_audio
from wavesep.dsp.blocks import BlockQueue

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("song", nargs="?", help="an audio or video file (default: the input device)")
parser.add_argument("--stem", default="accompaniment", help="what to play (default: %(default)s)")
parser.add_argument("--model", default="vocals", help="name or file (default: %(default)s)")
parser.add_argument("--block", default=20.0, type=float, metavar="MS", help="length of a block")
parser.add_argument("--out", metavar="FILE.wav", help="of a song: write what would be played")
args = parser.parse_args()

separator = Separator(args.model)
rate, channels = separator.sample_rate, 2  # at the model's own rate, the latency is smallest
if args.song:
    mixture, rate = read_audio(args.song)
    channels = mixture.shape[1]
stream = separator.stream(rate, channels)
size = round(rate * args.block / 1000)
print(f"latency: {stream.latency} samples, {1000 * stream.latency / rate:.0f} ms")

if not args.song:
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        parser.error(f'give a song, or get devices by pip install "wavesep[live]": {error}')
    try:
        device = sounddevice.Stream(rate, size, channels=channels, dtype="float32")
    except sounddevice.PortAudioError as error:
        parser.error(f"no audio device can be used, so give a song: {error}")

# A push gives nothing or several blocks, a device plays one at a time. Silence as long as the
# latency makes sure that there always is one.
queue = BlockQueue(channels)
queue.put(np.zeros((stream.latency, channels), np.float32))
played, spent, late = [], [], 0

try:
    if args.song:
        begin = time.perf_counter()
        for start in track(range(0, len(mixture) - size + 1, size), "live"):
            recorded = begin + (start + size) / rate  # a device would have the block now
            time.sleep(max(recorded - time.perf_counter(), 0))
            queue.put(stream.push(mixture[start : start + size])[args.stem])
            played.append(queue.take(size))
            spent.append(time.perf_counter() - recorded)
            late += spent[-1] > size / rate  # the next one is there
    else:
        with device:
            print("running: stop with Ctrl-C")
            while True:
                block, lost = device.read(size)
                recorded = time.perf_counter()
                queue.put(stream.push(block)[args.stem])
                spent.append(time.perf_counter() - recorded)
                late += device.write(queue.take(size)) or lost
except KeyboardInterrupt:
    print("stopped")

if spent:
    print(
        f"{len(spent)} blocks of {args.block:g} ms, {late} late; "
        f"to separate one took {1000 * np.mean(spent):.1f} ms on average, "
        f"{1000 * np.max(spent):.1f} ms at most"
    )
if args.out and played:
    soundfile.write(args.out, np.concatenate(played), rate)
