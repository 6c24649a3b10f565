// The page that separates a microphone or the sound of another tab while it is heard.

import { decibels, tell } from "./api.js";
import { LiveStems } from "./stems.js";

const QUIETEST = -60; // dB, where a meter begins
const MOVED = 0.1; // seconds by which the delay must change to be shown anew
const CLEAN = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const section = document.getElementById("live");
const by = (id) => document.getElementById(id);
const starts = [by("microphone"), by("tab")];
let live = null, shownDelay = 0;

// ---- begin and end

const openMicrophone = () => navigator.mediaDevices.getUserMedia({ audio: CLEAN });

// Browsers share a tab only with its picture, which is not used; the tab itself is muted.
const openTab = () => navigator.mediaDevices.getDisplayMedia({
  audio: { ...CLEAN, suppressLocalAudioPlayback: true }, video: { frameRate: 1 },
});

async function begin(open) {
  for (const button of starts) button.disabled = true;
  say("Choose what this page may hear.");
  let input = null, made = null;
  try {
    input = await open();
    if (!input.getAudioTracks().length) throw new Error("no sound");
    live = made = new LiveStems(input);
    live.addEventListener("greeting", ({ detail }) => greeted(detail));
    live.addEventListener("sound", showDelay);
    live.addEventListener("end", ({ detail }) => ended(detail));
    showRunning(true);
    by("stop").focus();
    say("The server gets ready.");
    await made.start();
  } catch (error) {
    if (made) { made.end(reasonOf(error)); return; }
    for (const track of input?.getTracks() || []) track.stop();
    ended(reasonOf(error));
  }
}

function reasonOf(error) {
  if (error.message === "no sound") return "The tab was shared without its sound. Choose a tab, and switch its sound on where the browser asks.";
  return {
    NotAllowedError: "The browser did not allow it. Allow it beside the address, and try again.",
    NotFoundError: "There is no microphone.",
    NotReadableError: "The microphone cannot be opened: another program may use it.",
  }[error.name] || `The browser cannot do it: ${error.message}`;
}

function greeted({ latency_seconds: seconds, sources }) {
  showSources(sources);
  setLevels();
  shownDelay = 0;
  say(`Separating. You will hear it about ${seconds.toFixed(1)} s later.`);
  tell("Separating.");
  requestAnimationFrame(showMeters);
}

function ended(reason) {
  const hadFocus = document.activeElement === by("stop");
  live = null;
  showRunning(false);
  for (const button of starts) button.disabled = false;
  offerTab();
  if (hadFocus) by("microphone").focus();
  for (const meter of document.querySelectorAll("[role=meter]")) showMeter(meter, QUIETEST);
  say(reason ? sentence(reason) : "Stopped.", Boolean(reason));
  tell(by("live-state").textContent);
}

// ---- what is heard

// Makes a lane and a choice for every stem, unless they are there already.
function showSources(sources) {
  if (sources.join() === section.dataset.sources) return;
  section.dataset.sources = sources.join();
  const lane = by("lane").content.firstElementChild, choice = by("choice").content.firstElementChild;
  by("lanes").replaceChildren(...sources.map((source) => named(lane, source)));
  by("choices").replaceChildren(...sources.map((source) => named(choice, source)));
  for (const input of by("lanes").querySelectorAll("input")) input.oninput = setLevels;
}

function named(template, source) {
  const copy = template.cloneNode(true), name = source[0].toUpperCase() + source.slice(1);
  if (copy.matches(".lane")) copy.dataset.source = source;
  for (const text of copy.querySelectorAll("[data-name]")) text.textContent = name;
  for (const text of copy.querySelectorAll("[data-level]")) text.textContent = `Level of ${source}`;
  copy.querySelector("[role=meter]")?.setAttribute("aria-label", name);
  const radio = copy.querySelector("[type=radio]");
  if (radio) radio.value = source;
  return copy;
}

function setLevels() {
  const chosen = section.querySelector("[name=heard]:checked")?.value || "";
  for (const lane of by("lanes").children) {
    const { source } = lane.dataset, input = lane.querySelector("input"), value = Number(input.value);
    const silent = Boolean(chosen) && chosen !== source;
    lane.classList.toggle("silent", silent);
    lane.querySelector("output").textContent = decibels(value);
    live?.setGain(source, silent ? 0 : value);
  }
}

// ---- what is seen

function say(text, isProblem = false) {
  by("live-state").textContent = text;
  by("live-state").classList.toggle("problem", isProblem);
}

function showRunning(runs) {
  by("starts").hidden = runs;
  by("stop").hidden = !runs;
}

function showDelay() {
  if (Math.abs(live.delay - shownDelay) < MOVED) return;
  shownDelay = live.delay;
  say(`Separating. You hear it ${shownDelay.toFixed(1)} s later.`);
}

function showMeters() {
  if (!live) return;
  showMeter(by("input-meter"), live.inputMeter.level);
  for (const lane of by("lanes").children) {
    showMeter(lane.querySelector("[role=meter]"), live.lanes.get(lane.dataset.source).meter.level);
  }
  requestAnimationFrame(showMeters);
}

function showMeter(meter, level) {
  const shown = Math.round(Math.max(QUIETEST, Math.min(level, 0)));
  meter.setAttribute("aria-valuenow", shown);
  meter.setAttribute("aria-valuetext", shown > QUIETEST ? `${shown} dB` : "silent");
  meter.firstElementChild.style.transform = `scaleX(${1 - shown / QUIETEST})`;
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

// Some browsers, those of phones above all, do not share tabs.
function offerTab() {
  by("tab").disabled = !navigator.mediaDevices?.getDisplayMedia;
}

function start() {
  showSources(section.dataset.offered.split(","));
  section.onchange = setLevels;
  by("microphone").onclick = () => begin(openMicrophone);
  by("tab").onclick = () => begin(openTab);
  by("stop").onclick = () => live.end();
  addEventListener("pagehide", () => live?.end());
  if (!isSecureContext) {
    for (const button of starts) button.disabled = true;
    say("Browsers let a page hear something only over https, or at localhost. Open this page there.", true);
  } else {
    offerTab();
  }
}

start();
