// The list of songs: drop, choose or record them, and follow their separation.

import { call, onJob, progressOf, tell } from "./api.js";
import { upload } from "./upload.js";

const AT_A_TIME = 2; // uploads
const list = document.getElementById("songs");
const drop = document.getElementById("drop");
const waiting = [];
let busy = 0;

// ---- uploads

function add(files) {
  for (const file of files) {
    const row = document.getElementById("uploading").content.firstElementChild.cloneNode(true);
    const abort = new AbortController();
    row.querySelector(".title").textContent = file.name;
    row.querySelector("button").onclick = () => { abort.abort(); row.remove(); showNone(); };
    list.prepend(row);
    waiting.push({ file, row, abort });
  }
  showNone();
  while (busy < AT_A_TIME && waiting.length) next();
}

async function next() {
  const { file, row, abort } = waiting.shift();
  const state = row.querySelector(".state"), bar = row.querySelector("progress");
  busy += 1;
  try {
    abort.signal.throwIfAborted();
    const settings = { model: drop.elements.model.value, codec: drop.elements.codec.value };
    state.textContent = "uploading";
    const song = await upload(file, settings, {
      signal: abort.signal,
      onSong: (id) => { row.id = `song-${id}`; },
      onShare: (share) => { bar.value = share; state.textContent = `uploading, ${Math.round(100 * share)}%`; },
    });
    await refresh(song);
  } catch (error) {
    row.dataset.state = "failed";
    state.textContent = `not uploaded: ${error.message}`;
    bar.remove();
    row.querySelector("button").textContent = "Remove";
    if (!abort.signal.aborted) tell(`${file.name} was not uploaded: ${error.message}`);
  }
  busy -= 1;
  if (waiting.length) next();
}

// Returns the files of what was dropped, with those in folders.
async function filesOf(items) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(), found = [];
  for (;;) { // a reader returns some entries at a time
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found;
    found.push(...(await Promise.all(some.map(filesIn))).flat());
  }
}

addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const whole = [...event.dataTransfer.files];
  const found = await filesOf(event.dataTransfer.items);
  add(found.length ? found : whole);
});
for (const id of ["files", "folder"]) {
  const input = document.getElementById(id);
  input.addEventListener("change", () => { add([...input.files]); input.value = ""; });
}

// ---- recording

const record = document.getElementById("record");
let recorder = null;
record.hidden = !navigator.mediaDevices || !window.MediaRecorder;
record.onclick = async () => {
  if (recorder) { recorder.stop(); return; }
  try {
    const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: sound });
    const pieces = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      const kind = recorder.mimeType.includes("ogg") ? "ogg" : recorder.mimeType.includes("mp4") ? "m4a" : "webm";
      const name = `Recording ${new Date().toLocaleString()}.${kind}`;
      recorder = null;
      record.textContent = "Record";
      record.classList.remove("recording");
      add([new File(pieces, name)]);
    };
    recorder.start();
    record.textContent = "Stop";
    record.classList.add("recording");
  } catch (error) {
    tell("The microphone cannot be used.");
    record.textContent = "No microphone";
  }
};

// ---- rows

// Shows the row of a song as the server makes it.
async function refresh(song) {
  const old = document.getElementById(`song-${song}`);
  try {
    const made = document.createElement("template");
    made.innerHTML = await (await call("GET", `/songs/${song}/row`)).text();
    const row = made.content.querySelector("li");
    const focused = old && old.contains(document.activeElement);
    if (old) old.replaceWith(row); else list.prepend(row);
    if (focused) (row.querySelector("a, button") || row).focus();
  } catch {
    old?.remove();
  }
  showNone();
}

function showNone() {
  document.getElementById("none").hidden = list.children.length > 0;
}

onJob((job) => {
  const row = document.getElementById(`song-${job.song}`);
  if (!row || row.dataset.state !== job.state) {
    refresh(job.song);
    const title = row?.querySelector(".title").textContent;
    if (title && job.state === "done") tell(`${title} is ready.`);
    if (title && job.state === "failed") tell(`${title} failed.`);
  } else if (job.state === "running") {
    const bar = row.querySelector("progress"), state = row.querySelector(".state");
    bar.value = job.total ? job.done / job.total : 0;
    state.textContent = [state.textContent.split(" · ")[0], progressOf(job)].join(" · ");
  }
});

// Buttons of rows do their work without a new page.
list.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, row = form.closest("li");
  await call("POST", form.action, new FormData(form)).catch((error) => tell(error.message));
  if ("gone" in form.dataset) { row.remove(); showNone(); } else await refresh(row.dataset.song);
});
