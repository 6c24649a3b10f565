// Cuts the sound that comes in into blocks and posts them: { end, samples }, the frame after the
// block and its interleaved channels. It runs beside the page, in the thread of the sound.

class Recorder extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    Object.assign(this, processorOptions); // channels, and frames of a block
    this.begin();
  }

  begin() {
    this.block = new Float32Array(this.frames * this.channels);
    this.filled = 0;
  }

  // input: the channels, 128 frames each; there are none while the source is silent.
  process([input], [output]) {
    const count = output[0].length;
    for (let n = 0; n < count; n += 1) {
      for (let c = 0; c < this.channels; c += 1) {
        this.block[this.filled * this.channels + c] = input[c] ? input[c][n] : 0;
      }
      this.filled += 1;
      if (this.filled === this.frames) {
        this.port.postMessage({ end: currentFrame + n + 1, samples: this.block }, [this.block.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
