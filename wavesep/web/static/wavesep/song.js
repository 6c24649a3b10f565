// The page of a song: its player, which works while the song is being separated.

import { call, clock, decibels, onJob, progressOf, tell } from "./api.js";
import { Player } from "./player.js";
import { draw, loudest, PEAK, sung } from "./waves.js";

const STEP = 5; // seconds of the arrow keys
const QUIETEST = 16; // of 127: a peak below it does not fill the height
const LOOK = 1000; // milliseconds between two looks at peaks that grow
const section = document.getElementById("player");

function start() {
  const { job, rate, channels, samples, gain } = section.dataset;
  const lanes = new Map([...section.querySelectorAll(".lane")].map((lane) => [lane.dataset.source, new Lane(lane)]));
  const song = { sources: [...lanes.keys()], rate: Number(rate), channels: Number(channels), samples: Number(samples) };
  new Page(job, song, lanes, Number(gain), section.dataset.state);
}

// One stem: what its buttons say, and its peaks.
class Lane {
  constructor(element) {
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.level = element.querySelector("[data-act=gain]");
    this.solo = element.querySelector("[data-act=solo]");
    this.mute = element.querySelector("[data-act=mute]");
    this.peaks = new Int8Array();
    this.loudest = 0;
  }

  addPeaks(more) {
    const all = new Int8Array(this.peaks.length + more.length);
    all.set(this.peaks);
    all.set(more, this.peaks.length);
    this.peaks = all;
    this.loudest = Math.max(this.loudest, loudest(more));
  }
}

class Page {
  constructor(job, song, lanes, gain, state) {
    Object.assign(this, { job, song, lanes, gain, state });
    this.player = null;
    this.position = 0;
    this.wire();
    if (["running", "done"].includes(state)) this.open();
    if (["queued", "running"].includes(state)) this.follow();
  }

  // ---- what is heard

  // Browsers let sound begin only after somebody has pressed something.
  needPlayer() {
    if (this.player) return this.player;
    let context;
    try {
      context = new AudioContext({ sampleRate: this.song.rate });
    } catch { // a rate that the browser does not play: it converts
      context = new AudioContext();
    }
    this.player = new Player(context, this.song, (...where) => this.load(...where));
    this.player.seek(this.position);
    this.player.addEventListener("change", () => this.showPlaying());
    this.levels();
    return this.player;
  }

  async load(source, at, count) {
    const answer = await fetch(`/api/v1/jobs/${this.job}/pcm/${source}?at=${at}&count=${count}`);
    if (answer.status === 425) return null;
    if (!answer.ok) throw new Error(answer.status);
    return new Int16Array(await answer.arrayBuffer());
  }

  async toggle() {
    const player = this.needPlayer();
    await player.context.resume();
    if (player.playing) player.pause();
    else player.play();
  }

  seek(sample) {
    this.position = Math.max(0, Math.min(sample, this.song.samples));
    this.player?.seek(this.position);
    this.show();
  }

  // Returns the level of every stem, as the buttons say.
  heard() {
    const soloed = [...this.lanes.values()].some((lane) => isOn(lane.solo));
    return Object.fromEntries([...this.lanes].map(([source, lane]) => {
      const silent = isOn(lane.mute) || (soloed && !isOn(lane.solo));
      return [source, silent ? 0 : Number(lane.level.value)];
    }));
  }

  levels() {
    const levels = this.heard(), original = isOn(by("mixture")), none = isOn(by("silence"));
    for (const [source, level] of Object.entries(levels)) {
      const lane = this.lanes.get(source);
      lane.element.classList.toggle("silent", !level && !original);
      this.player?.setGain(source, none ? 0 : original ? 1 : level);
    }
    const query = new URLSearchParams(levels);
    for (const link of document.querySelectorAll("[data-codec]")) {
      link.href = `/api/v1/jobs/${this.job}/mix.${link.dataset.codec}?${query}`;
    }
  }

  // ---- what is pressed

  wire() {
    by("play").onclick = () => this.toggle();
    by("seek").oninput = (event) => this.seek(Number(event.target.value) * this.song.rate);
    for (const id of ["mixture", "silence"]) by(id).onclick = () => { flip(by(id)); this.levels(); };
    by("loop").onclick = () => this.setLoop();
    for (const lane of this.lanes.values()) {
      for (const button of [lane.solo, lane.mute]) button.onclick = () => { flip(button); this.levels(); };
      lane.level.oninput = () => { showLevel(lane.level); this.levels(); };
      lane.canvas.onpointerdown = (event) => this.drag(event, lane.canvas);
    }
    by("keys").checked = localStorage.getItem("keys") !== "off";
    by("keys").onchange = () => { localStorage.setItem("keys", by("keys").checked ? "on" : "off"); this.showHint(); };
    this.showHint();
    addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.show()).observe(section);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show());
  }

  drag(event, canvas) {
    const move = ({ clientX }) => {
      const { left, width } = canvas.getBoundingClientRect();
      this.seek(((clientX - left) / width) * this.song.samples);
    };
    canvas.setPointerCapture(event.pointerId);
    canvas.onpointermove = move;
    canvas.onpointerup = canvas.onpointercancel = () => { canvas.onpointermove = null; };
    move(event);
  }

  key(event) {
    const inField = event.target.closest("input:not([type=checkbox]), select, textarea, button, a");
    if (event.ctrlKey || event.metaKey || event.altKey || !by("keys").checked || section.hidden) return;
    const name = event.key.toLowerCase();
    if (inField && (name === " " || name.startsWith("arrow") || inField.matches("select, [type=text]"))) return;
    const lane = [...this.lanes].find(([source]) => source[0] === name)?.[1];
    const acts = {
      " ": () => this.toggle(),
      arrowleft: () => this.seek(this.now() - STEP * this.song.rate),
      arrowright: () => this.seek(this.now() + STEP * this.song.rate),
      b: () => by("mixture").click(),
      l: () => by("loop").click(),
      m: () => by("silence").click(),
    };
    const act = acts[name] || (lane && (() => lane.solo.click()));
    if (!act) return;
    event.preventDefault();
    act();
  }

  // The first press sets the begin, the second the end, the third ends the loop.
  setLoop() {
    const player = this.needPlayer(), button = by("loop"), here = Math.round(this.now());
    if (player.loop) {
      player.loop = this.loopBegin = null;
    } else if (this.loopBegin == null) {
      this.loopBegin = here;
    } else if (here > this.loopBegin) {
      player.loop = [this.loopBegin, here];
      this.seek(this.loopBegin);
    } else {
      this.loopBegin = null;
    }
    button.setAttribute("aria-pressed", String(this.loopBegin != null));
    button.textContent = player.loop ? "Looping" : this.loopBegin == null ? "Loop" : "Loop: set the end";
    this.show();
  }

  // ---- what is seen

  now() {
    return this.player ? this.player.position : this.position;
  }

  showHint() {
    by("hint").hidden = !by("keys").checked;
  }

  showPlaying() {
    const { playing, waiting } = this.player;
    by("play").classList.toggle("playing", playing);
    by("play").classList.toggle("waiting", waiting);
    by("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    if (playing && !this.drawing) {
      this.drawing = true;
      requestAnimationFrame(() => this.animate());
    }
    this.show();
  }

  animate() {
    this.position = this.now();
    this.show();
    this.drawing = this.player.playing;
    if (this.drawing) requestAnimationFrame(() => this.animate());
  }

  show() {
    const { rate, samples } = this.song, at = this.now(), total = Math.ceil(samples / PEAK);
    const full = Math.max(QUIETEST, ...[...this.lanes.values()].map((lane) => lane.loudest));
    for (const { canvas, peaks } of this.lanes.values()) draw(canvas, peaks, total, full, at / samples);
    by("clock").textContent = `${clock(at / rate)} / ${clock(samples / rate)}`;
    const seek = by("seek");
    seek.max = samples / rate;
    seek.value = at / rate;
    seek.setAttribute("aria-valuetext", `${clock(at / rate)} of ${clock(samples / rate)}`);
    this.place(by("head"), at, 0);
    const loop = this.player?.loop;
    by("loop-area").hidden = !loop;
    if (loop) this.place(by("loop-area"), loop[0], loop[1] - loop[0]);
  }

  // Puts a mark over the waveforms.
  place(mark, at, count) {
    const [first] = this.lanes.values(), box = by("lanes").getBoundingClientRect();
    const wave = first.canvas.getBoundingClientRect(), each = wave.width / this.song.samples;
    mark.style.left = `${wave.left - box.left + at * each}px`;
    if (count) mark.style.width = `${count * each}px`;
  }

  showSung() {
    const lane = this.lanes.get("vocals"), total = Math.ceil(this.song.samples / PEAK);
    if (!lane) return;
    by("sung").replaceChildren(...sung(lane.peaks, this.song.rate).map(([begin, end]) => {
      const mark = document.createElement("i");
      mark.style.left = `${(100 * begin) / total}%`;
      mark.style.width = `${(100 * (end - begin)) / total}%`;
      return mark;
    }));
  }

  // ---- what happens on the server

  open() {
    section.hidden = false;
    this.show();
    this.readPeaks();
  }

  async readPeaks() {
    for (const [source, lane] of this.lanes) {
      const path = `/api/v1/jobs/${this.job}/peaks/${source}?at=${lane.peaks.length / 2}`;
      const answer = await fetch(path);
      if (answer.ok) lane.addPeaks(new Int8Array(await answer.arrayBuffer()));
    }
    this.show();
    this.showSung();
    if (this.state === "running") setTimeout(() => this.readPeaks(), LOOK);
  }

  follow() {
    const end = onJob((job) => {
      if (job.id !== this.job) return;
      const before = this.state;
      this.state = job.state;
      by("progress").value = job.total ? job.done / job.total : 0;
      if (job.state === "running") {
        by("state").textContent = `${clock(this.song.samples / this.song.rate)} · ${progressOf(job)}`;
        if (before !== "running") this.open();
      } else if (job.state !== "queued") {
        end();
        this.ended(job);
      }
    });
  }

  // The stems are complete: their length and their level are known now.
  async ended(job) {
    if (job.state !== "done") { location.reload(); return; }
    const whole = await (await call("GET", `/api/v1/jobs/${this.job}`)).json();
    this.song.samples = whole.stems[0].samples;
    if (whole.gain_db !== this.gain) this.player?.forget();
    by("progress").hidden = true;
    by("state").textContent = `${clock(this.song.samples / this.song.rate)} · ready`;
    by("downloads").hidden = false;
    section.hidden = false;
    await this.readPeaks();
    tell("The song is ready.");
  }
}

const by = (id) => document.getElementById(id);
const isOn = (button) => button.getAttribute("aria-pressed") === "true";
const flip = (button) => button.setAttribute("aria-pressed", String(!isOn(button)));

function showLevel(input) {
  input.parentElement.querySelector("output").textContent = decibels(Number(input.value));
}

if (section) start();
