// Sends live sound to the server, and plays the stems that come back, from one clock.

const BLOCK = 0.1; // seconds that are sent at a time
const JITTER = 0.25; // seconds that are kept ready, for a network that is not even
const MOST_AHEAD = 1.5; // seconds that are kept ready at most, after the network has waited
const FADE = 0.02; // seconds of a change of level

// Events: "greeting" with { latency_seconds, sources, model }, "sound" whenever stems are
// scheduled, "end" with a reason if it was not stopped here.
export class LiveStems extends EventTarget {
  // input: a MediaStream with sound
  constructor(input) {
    super();
    this.input = input;
    this.context = new AudioContext();
    this.lanes = new Map(); // source -> { gain, meter }
    this.levels = {};
    this.ended = false;
    this.frames = 0; // of the stems, since the begin
    this.delay = null; // seconds from a sound to its stems
  }

  async start() {
    const [track] = this.input.getAudioTracks(), { context } = this;
    track.onended = () => this.end("The sound has ended.");
    this.channels = Math.min(2, track.getSettings().channelCount || 2);
    await context.audioWorklet.addModule(new URL("recorder.js", import.meta.url));
    await context.resume();
    if (this.ended) return;
    this.source = context.createMediaStreamSource(this.input);
    const { protocol, host } = location, rate = context.sampleRate;
    const address = `${protocol.replace("http", "ws")}//${host}/ws/live?rate=${rate}&channels=${this.channels}`;
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.greet(JSON.parse(data));
      else this.play(new Float32Array(data));
    };
    this.socket.onclose = ({ reason }) => this.end(reason || "The connection to the server was lost.");
  }

  greet(greeting) {
    this.sources = greeting.sources;
    for (const name of this.sources) this.addLane(name);
    this.dispatchEvent(new CustomEvent("greeting", { detail: greeting }));
    const { context, channels, source } = this;
    this.inputMeter = new Meter(context, source);
    const recorder = new AudioWorkletNode(context, "recorder", {
      channelCount: channels, channelCountMode: "explicit", outputChannelCount: [1],
      processorOptions: { channels, frames: Math.round(BLOCK * context.sampleRate) },
    });
    recorder.port.onmessage = ({ data }) => this.send(data);
    source.connect(recorder).connect(context.destination); // it gives silence; without it, it does not run
  }

  addLane(source) {
    const gain = this.context.createGain(), entry = this.context.createGain();
    gain.gain.value = this.levels[source] ?? 1;
    entry.connect(gain).connect(this.context.destination);
    this.lanes.set(source, { entry, gain: gain.gain, meter: new Meter(this.context, entry) });
  }

  setGain(source, value) {
    this.levels[source] = value;
    this.lanes.get(source)?.gain.setTargetAtTime(value, this.context.currentTime, FADE / 3);
  }

  send({ end, samples }) {
    this.firstFrame ??= end - samples.length / this.channels;
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(samples);
  }

  // stems: all stems one after the other, each with interleaved channels.
  play(stems) {
    const { context, channels, sources } = this, rate = context.sampleRate, now = context.currentTime;
    const size = stems.length / sources.length, count = size / channels;
    if (this.next === undefined || this.next < now) this.next = now + JITTER;
    if (this.next < now + MOST_AHEAD) {
      sources.forEach((source, index) => this.schedule(source, stems.subarray(index * size, (index + 1) * size)));
      this.delay = this.next - (this.firstFrame + this.frames) / rate;
      this.next += count / rate;
    }
    this.frames += count;
    this.dispatchEvent(new Event("sound"));
  }

  schedule(source, stem) {
    const { context, channels } = this, node = context.createBufferSource();
    node.buffer = context.createBuffer(channels, stem.length / channels, context.sampleRate);
    for (let c = 0; c < channels; c += 1) {
      const data = node.buffer.getChannelData(c);
      for (let n = 0; n < data.length; n += 1) data[n] = stem[n * channels + c];
    }
    node.connect(this.lanes.get(source).entry);
    node.start(this.next);
  }

  end(reason = "") {
    if (this.ended) return;
    this.ended = true;
    for (const track of this.input.getTracks()) track.stop();
    this.socket?.close();
    this.context.close();
    this.dispatchEvent(new CustomEvent("end", { detail: reason }));
  }
}

// How loud a sound is.
class Meter {
  constructor(context, node) {
    this.analyser = new AnalyserNode(context, { fftSize: 2048 });
    this.samples = new Float32Array(this.analyser.fftSize);
    node.connect(this.analyser);
  }

  // The peak of the last moment, in dB of full scale.
  get level() {
    this.analyser.getFloatTimeDomainData(this.samples);
    return 20 * Math.log10(this.samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-6));
  }
}
