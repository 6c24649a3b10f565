"""Remove the vocals from live audio: from an input device to an output device.

    python examples/separate_live.py                   # until Ctrl-C
    python examples/separate_live.py --stem vocals     # play the vocals alone
    python examples/separate_live.py song.mp3          # simulate live audio with a song

Devices need sounddevice, ``pip install "wavesep[live]"``, and on Linux PortAudio (libportaudio2).
The default devices of the system are used. Use headphones, so that the input does not record the
output. The output is delayed by the latency that is printed. At the end, the script prints how many
blocks were too late to be played without a gap.
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
parser.add_argument("--stem", default="accompaniment", help="stem to play (default: %(default)s)")
parser.add_argument("--model", default="wavenet", help="name or file (default: %(default)s)")
parser.add_argument("--block", default=20.0, type=float, metavar="MS", help="length of a block")
parser.add_argument("--out", metavar="FILE.wav", help="with a song: write the output to a file")
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
        parser.error(f'no sounddevice: pip install "wavesep[live]", or give a song ({error})')
    try:
        device = sounddevice.Stream(rate, size, channels=channels, dtype="float32")
    except sounddevice.PortAudioError as error:
        parser.error(f"no audio device can be used: give a song ({error})")

# A push returns no block or several, but a device plays one block at a time. So the queue starts
# with silence as long as the latency, and always holds a block.
queue = BlockQueue(channels)
queue.put(np.zeros((stream.latency, channels), np.float32))
played, spent, late = [], [], 0

try:
    if args.song:
        begin = time.perf_counter()
        for start in track(range(0, len(mixture) - size + 1, size), "live"):
            recorded = begin + (start + size) / rate  # when a device would return the block
            time.sleep(max(recorded - time.perf_counter(), 0))
            queue.put(stream.push(mixture[start : start + size])[args.stem])
            played.append(queue.take(size))
            spent.append(time.perf_counter() - recorded)
            late += spent[-1] > size / rate  # the next block has come by then
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
        f"time for each block: {1000 * np.mean(spent):.1f} ms on average, "
        f"{1000 * np.max(spent):.1f} ms at most"
    )
if args.out and played:
    soundfile.write(args.out, np.concatenate(played), rate)
