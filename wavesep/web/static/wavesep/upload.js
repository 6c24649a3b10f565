// Uploads: in chunks, which are sent again when the connection fails.

import { call, callJson, Refusal } from "./api.js";

const CHUNK = 4_000_000; // bytes
const PAUSES = [500, 1000, 2000, 4000, 8000, 15000]; // milliseconds before a chunk is sent again

const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));

// Uploads a file and queues its separation; returns the id of the song. onSong is given it before
// the song is queued, because events may tell of the job before the answer does.
export async function upload(file, settings, { onSong, onShare, signal }) {
  const song = await callJson("POST", "/api/v1/songs", { name: file.name, bytes: file.size });
  const path = `/api/v1/songs/${song.id}`;
  onSong(song.id);
  try {
    const state = await sendChunks(file, `${path}/body`, onShare, signal);
    if (state.error) throw new Refusal(state.error);
    await callJson("POST", "/api/v1/jobs", { song: song.id, ...settings });
    return song.id;
  } catch (error) {
    await call("DELETE", path).catch(() => {});
    throw error;
  }
}

async function sendChunks(file, path, onShare, signal) {
  let state = { offset: 0 };
  while (state.offset < file.size) {
    state = await sendChunk(file, path, state.offset, signal);
    onShare(state.offset / file.size);
  }
  return state;
}

async function sendChunk(file, path, offset, signal) {
  for (const wait of [...PAUSES, null]) {
    try {
      const options = { signal, headers: { "Upload-Offset": String(offset), "Content-Type": "application/octet-stream" } };
      return await (await call("PUT", path, file.slice(offset, offset + CHUNK), options)).json();
    } catch (error) {
      const isFinal = error instanceof Refusal && !error.isBusy;
      if (signal.aborted || isFinal || wait === null) throw error;
      await pause(wait);
    }
  }
}
