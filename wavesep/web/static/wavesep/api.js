// Calls of the interface, and what all pages need.

const REFUSED = 10_000; // milliseconds after which a refused stream of events is tried again
const TOKEN = document.querySelector("meta[name=csrf-token]").content;

// The server does not take a request. Later it may, if it is busy.
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.isBusy = status === 429 || status >= 500;
  }
}

// Returns the answer; a refusal becomes an error with the server's message.
export async function call(method, path, body, { headers = {}, signal } = {}) {
  const answer = await fetch(path, {
    method, body, signal, headers: { "X-CSRFToken": TOKEN, ...headers },
  });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Refusal(problem.message || `the server answered ${answer.status}`, answer.status);
  }
  return answer;
}

export const callJson = async (method, path, value) =>
  (await call(method, path, JSON.stringify(value), { headers: { "Content-Type": "application/json" } })).json();

// Returns a time as 3:07, or as 1:02:03.
export function clock(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60), hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${two(minutes % 60)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// Returns a level, a factor, as text.
export const decibels = (level) => (level ? `${(20 * Math.log10(level)).toFixed(1)} dB` : "off");

// Tells people who cannot see the page what has happened.
export function tell(text) {
  document.getElementById("news").textContent = text;
}

// Calls a function with every job of the user that changes; returns a function that ends this.
export function onJob(act) {
  let events, again;
  const connect = () => {
    events = new EventSource("/api/v1/events");
    events.addEventListener("job", (event) => act(JSON.parse(event.data)));
    events.onerror = () => { // a lost connection comes back by itself, a refused one does not
      if (events.readyState === EventSource.CLOSED) again = setTimeout(connect, REFUSED);
    };
  };
  const end = () => { clearTimeout(again); events.close(); };
  connect();
  addEventListener("pagehide", end);
  return end;
}

// Describes a running job.
export function progressOf(job) {
  if (!job.done) return "starting";
  const left = job.seconds_left === null ? "" : `, ${clock(job.seconds_left)} left`;
  return `separating, ${Math.round((100 * job.done) / job.total)}%${left}`;
}
