// Draws the waveform of a stem from its peaks, and finds where somebody sings.

export const PEAK = 1024; // samples of each peak
const LOUD = 4; // of 127: -30 dB, as loud as singing is in the vocals
const SHORTEST = 0.3; // seconds of singing that get a mark
const GAP = 0.8; // seconds of a pause that do not end a mark

// Returns the largest peak, so that quiet songs are drawn as large as loud ones.
export const loudest = (peaks) => peaks.reduce((most, peak) => Math.max(most, Math.abs(peak)), 0);

// peaks: Int8Array with the lowest and the highest sample of each 1,024; total: peaks of the song;
// full: the peak that fills the height; played: the share of the song that was heard.
export function draw(canvas, peaks, total, full, played) {
  const scale = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
  if (!width || !total) return;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const paint = canvas.getContext("2d"), style = getComputedStyle(canvas);
  const colour = style.getPropertyValue("--lane"), middle = height / 2;
  const there = peaks.length / 2, bar = Math.max(1, Math.round(2 * scale)), step = bar + Math.round(scale);
  paint.clearRect(0, 0, width, height);
  paint.fillStyle = colour;
  for (let x = 0; x < width; x += step) {
    const first = Math.floor((x / width) * total), last = Math.max(first + 1, Math.floor(((x + step) / width) * total));
    if (first >= there) break;
    let low = 0, high = 0;
    for (let n = first; n < Math.min(last, there); n += 1) {
      low = Math.min(low, peaks[2 * n]);
      high = Math.max(high, peaks[2 * n + 1]);
    }
    const top = middle - (high / full) * middle * 0.95, bottom = middle - (low / full) * middle * 0.95;
    paint.globalAlpha = x / width < played ? 1 : 0.45;
    paint.fillRect(x, top, bar, Math.max(bottom - top, scale));
  }
  paint.globalAlpha = 0.3;
  const begin = Math.min(1, there / total) * width;
  paint.fillRect(begin, middle, width - begin, scale);
  paint.globalAlpha = 1;
}

// Returns [begin, end] of each passage in which the vocals are loud, in peaks.
export function sung(peaks, rate) {
  const passages = [], gap = (GAP * rate) / PEAK, shortest = (SHORTEST * rate) / PEAK;
  for (let n = 0; n < peaks.length / 2; n += 1) {
    if (Math.max(-peaks[2 * n], peaks[2 * n + 1]) < LOUD) continue;
    const last = passages.at(-1);
    if (last && n - last[1] <= gap) last[1] = n + 1;
    else passages.push([n, n + 1]);
  }
  return passages.filter(([begin, end]) => end - begin >= shortest);
}
