"""Separate a song with an exported stream, step by step, without wavesep.

    wavesep export wavenet --stream -o wavenet_stream.onnx
    python examples/exported_stream.py wavenet_stream.onnx song.wav

It needs NumPy, onnxruntime and soundfile. A program that separates live audio does the same with
blocks from a sound card. The song must have the sample rate of the model.
"""

import argparse
import json
import time

import numpy as np
import onnxruntime
import soundfile

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("model", help="an ONNX file of wavesep export --stream")
parser.add_argument("song", help="a file that soundfile reads: WAV, FLAC, Ogg or MP3")
args = parser.parse_args()

session = onnxruntime.InferenceSession(args.model)
about = session.get_modelmeta().custom_metadata_map
rate, channels = int(about["wavesep.sample_rate"]), int(about["wavesep.channels"])
step, late = int(about["wavesep.step"]), int(about["wavesep.right_context"])
print(f"latency: {about['wavesep.latency']} samples; licence: {about['wavesep.licence']}")

song = soundfile.SoundFile(args.song)
if song.samplerate != rate:
    parser.error(f"{args.song} has {song.samplerate} Hz: resample it to {rate} Hz")
if song.channels % channels:
    parser.error(f"{args.song} has {song.channels} channels: the model takes {channels}")

# the past of a stream that begins is all zeros; sizes that may vary have a name
_, *inputs = session.get_inputs()
sounds = song.channels // channels
past = {
    each.name: np.zeros([sounds if size == "sounds" else size for size in each.shape], np.float32)
    for each in inputs
}
outputs = [each.name for each in session.get_outputs()]
stems = {
    source: soundfile.SoundFile(f"{source}.wav", "w", rate, song.channels, "FLOAT")
    for source in json.loads(about["wavesep.sources"])
}

begin, spent = -late, 0.0  # place in the song of the first sample that the next step returns
while begin < song.frames:
    mixture = song.read(step, "float32", always_2d=True, fill_value=0)  # zeros after the end
    start = time.perf_counter()
    results = dict(zip(outputs, session.run(outputs, {"mixture": mixture, **past}), strict=True))
    spent += time.perf_counter() - start
    past = {name: results[f"new_{name}"] for name in past}
    for source, stem in stems.items():
        stem.write(results[source][max(-begin, 0) : song.frames - begin])
    begin += step

for stem in stems.values():
    stem.close()
    print(stem.name)
print(f"{spent * rate / song.frames:.3f} s for each second of the song")
