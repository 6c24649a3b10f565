// Plays the stems of a song from one clock, in windows, so that a song of any length needs little
// memory and a song that is still being separated can be played as far as it is there.

const WINDOW = 5; // seconds of a piece that is loaded
const AHEAD = 6; // seconds that are scheduled before they are heard
const LEAD = 0.08; // seconds from the order to play to the first sample
const FADE = 0.02; // seconds of a change of level
const KEPT = 8; // windows in memory: 28 MB for two stereo stems at 44.1 kHz
const FULL = 32767; // a 16-bit sample of 1.0
const PUMP = 200; // milliseconds between two looks at what must be scheduled

// context: AudioContext or OfflineAudioContext with the sample rate of the song.
// song: { sources, rate, channels, samples }; samples may grow.
// load(source, at, count): a promise of an Int16Array with interleaved channels, or of null for
// what is not separated yet.
export class Player extends EventTarget {
  constructor(context, song, load) {
    super();
    this.context = context;
    this.song = song;
    this.load = load;
    this.loop = null; // [begin, end] in samples
    this.playing = false;
    this.waiting = false;
    this.at = 0; // the sample that is heard when nothing plays
    this.windows = new Map(); // number of a window -> promise of { source: AudioBuffer }
    this.pieces = []; // what is scheduled: { frame, at, count, nodes }
    this.gains = new Map();
    for (const source of song.sources) {
      const gain = context.createGain();
      gain.connect(context.destination);
      this.gains.set(source, gain);
    }
  }

  // The sample that is heard now.
  get position() {
    if (!this.playing) return this.at;
    const now = this.context.currentTime * this.song.rate;
    const piece = this.pieces.findLast((one) => one.frame <= now) || this.pieces[0];
    if (!piece) return this.at;
    return piece.at + Math.max(0, Math.min(now - piece.frame, piece.count));
  }

  setGain(source, value) {
    const { gain } = this.gains.get(source);
    if (this.context.currentTime === 0) gain.value = value;
    else gain.setTargetAtTime(value, this.context.currentTime, FADE / 3);
  }

  play() {
    if (this.playing) return;
    if (this.at >= this.song.samples) this.at = 0;
    this.playing = true;
    this.begin();
    this.timer = setInterval(() => this.fill(AHEAD), PUMP);
    this.fill(AHEAD);
    this.changed();
  }

  pause() {
    if (!this.playing) return;
    this.at = Math.round(this.position);
    this.playing = this.waiting = false;
    clearInterval(this.timer);
    this.stopPieces();
    this.changed();
  }

  seek(sample) {
    this.at = Math.max(0, Math.min(Math.round(sample), this.song.samples));
    if (!this.playing) return;
    this.stopPieces();
    this.begin();
    this.fill(AHEAD);
  }

  // Loads all windows anew: the stems have changed.
  forget() {
    this.windows.clear();
    if (this.playing) this.seek(this.position);
  }

  begin() {
    this.pass = (this.pass || 0) + 1;
    this.next = { frame: this.frameFrom(LEAD), at: this.at };
  }

  // Returns the frame of the clock that comes so many seconds from now.
  frameFrom(seconds) {
    return Math.ceil((this.context.currentTime + seconds) * this.song.rate);
  }

  stopPieces() {
    for (const { nodes } of this.pieces) for (const node of nodes) node.stop();
    this.pieces = [];
  }

  // Schedules what is heard within the next seconds.
  async fill(seconds) {
    if (this.filling === this.pass) return;
    const pass = this.pass;
    this.filling = pass;
    try {
      while (pass === this.pass && this.playing && this.next.frame < this.frameFrom(seconds)) {
        if (!(await this.schedule(pass))) break;
      }
    } finally {
      if (this.filling === pass) this.filling = null;
    }
    this.forgetHeard();
    if (this.playing && this.position >= this.song.samples && !this.loop) this.stopAtEnd();
  }

  // Schedules one piece; returns whether there was one.
  async schedule(pass) {
    if (this.loop && this.next.at >= this.loop[1]) this.next.at = this.loop[0];
    const { at } = this.next, { rate, samples } = this.song;
    if (at >= samples) return false;
    const size = WINDOW * rate, number = Math.floor(at / size);
    const buffers = await this.window(number).catch(() => null);
    if (pass !== this.pass || !this.playing) return false;
    const offset = at - number * size;
    const there = buffers ? Math.min(...Object.values(buffers).map((buffer) => buffer.length)) : 0;
    const end = this.loop && at < this.loop[1] ? Math.min(samples, this.loop[1]) : samples;
    const count = Math.min(there - offset, end - at);
    if (there < Math.min(size, samples - number * size)) this.windows.delete(number); // it grows
    this.setWaiting(count <= 0 && this.next.frame < this.frameFrom(0));
    if (count <= 0) return false;
    const frame = Math.max(this.next.frame, this.frameFrom(0.01)); // later if it came too late
    const nodes = Object.entries(buffers).map(([source, buffer]) => {
      const node = this.context.createBufferSource();
      node.buffer = buffer;
      node.connect(this.gains.get(source));
      node.start(frame / rate, offset / rate, count / rate);
      return node;
    });
    this.pieces.push({ frame, at, count, nodes });
    this.next = { frame: frame + count, at: at + count };
    return true;
  }

  // Returns a promise of the buffers of all stems in one window.
  window(number) {
    if (!this.windows.has(number)) {
      const { rate, samples, sources } = this.song;
      const at = number * WINDOW * rate, count = Math.min(WINDOW * rate, samples - at);
      const loaded = Promise.all(sources.map((source) => this.load(source, at, count)));
      const made = loaded.then((all) => all.some((pcm) => !pcm?.length) ? null :
        Object.fromEntries(sources.map((source, index) => [source, this.buffer(all[index])])));
      made.then((buffers) => { if (!buffers) this.windows.delete(number); }, () => this.windows.delete(number));
      this.windows.set(number, made);
      for (const old of this.windows.keys()) {
        if (this.windows.size <= KEPT) break;
        if (old !== number) this.windows.delete(old);
      }
    }
    return this.windows.get(number);
  }

  buffer(pcm) {
    const { channels, rate } = this.song;
    const buffer = this.context.createBuffer(channels, pcm.length / channels, rate);
    for (let channel = 0; channel < channels; channel += 1) {
      const data = buffer.getChannelData(channel);
      for (let n = 0; n < data.length; n += 1) data[n] = pcm[n * channels + channel] / FULL;
    }
    return buffer;
  }

  forgetHeard() {
    const now = this.context.currentTime * this.song.rate;
    while (this.pieces.length > 1 && this.pieces[1].frame <= now) this.pieces.shift();
  }

  stopAtEnd() {
    this.pause();
    this.at = this.song.samples;
    this.changed();
  }

  setWaiting(waiting) {
    if (waiting === this.waiting) return;
    this.waiting = waiting;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}
