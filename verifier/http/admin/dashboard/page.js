// Reads /metrics repeatedly, keeps 15 minutes of the computed lines, and shows them.

import { PANELS } from "./panels.js";
import { Interval, Scrape } from "./scrape.js";
import { ago } from "./units.js";
import { PanelView, write } from "./view.js";

// All in seconds.
const KEPT = 15 * 60; // the history
const LEAST = 60; // the shortest time that a chart shows
const RATE_OVER = 30; // the time over which rates are computed
const TIMEOUT = 10; // the longest time for one request

const at = (id) => document.getElementById(id);
const [state, pause, every, back, output] = ["status", "pause", "every", "back", "ago"].map(at);
const views = PANELS.map((panel, number) => new PanelView(panel, number, pointAt));

let scrapes = [];
let history = [];
let pointed = null;
let timer = null;
let reading = false;
let drawing = false;

at("panels").append(...views.map((view) => view.element));
pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!isPaused()));
  if (isPaused()) showStatus("Paused");
  schedule(0);
});
every.addEventListener("change", () => schedule(0));
back.addEventListener("input", show);
addEventListener("resize", show);
show();
read();

function isPaused() {
  return pause.getAttribute("aria-pressed") === "true";
}

/** Read the metrics once, and again after the chosen time. */
async function read() {
  if (reading) return;
  reading = true;
  try {
    take(await scrape());
    showStatus(isPaused() ? "Paused" : history.length ? "Live" : "Waiting for a second reading");
  } catch (error) {
    showStatus(`Cannot read the metrics: ${error.message}`, true);
  }
  reading = false;
  schedule(Number(every.value));
}

function schedule(seconds) {
  clearTimeout(timer);
  timer = isPaused() ? null : setTimeout(read, 1000 * seconds);
}

async function scrape() {
  const signal = AbortSignal.timeout(1000 * TIMEOUT);
  const response = await fetch("metrics", { cache: "no-store", signal });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const time = (performance.timeOrigin + performance.now()) / 1000;
  // The age of a key needs the server's clock, because its timestamps come from there.
  const date = Date.parse(response.headers.get("Date")) / 1000 || time;
  return new Scrape(await response.text(), time, date);
}

function take(newest) {
  scrapes.push(newest);
  // The rates need one reading that is 30 seconds old; older ones are dropped.
  while (scrapes.length > 2 && newest.time - scrapes[1].time >= RATE_OVER) scrapes.shift();
  if (scrapes.length > 1) {
    const interval = new Interval(scrapes[0], newest);
    const lines = PANELS.map((panel) => panel.lines(interval));
    history.push({ time: newest.time, lines });
    history = history.filter(({ time }) => newest.time - time <= KEPT);
  }
  showFacts(newest);
  show();
}

function showFacts(newest) {
  write(at("version"), newest.samples("build_info").map(({ labels }) => labels.version).join(", "));
  const good = newest.samples("config_last_reload_successful").every(({ value }) => value === 1);
  write(at("reload"), good ? "good" : "failed: an older configuration is in use");
  at("reload").classList.toggle("bad", !good);
}

function pointAt(time) {
  pointed = time;
  show();
}

/** Draw in the next frame, once for all changes until then. */
function show() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    showAll();
  });
}

function showAll() {
  const to = history.at(-1)?.time ?? 0;
  const from = Math.min(history[0]?.time ?? 0, to - LEAST);
  back.min = String(Math.ceil(from - to));
  const lookedBack = Number(back.value) < 0 ? to + Number(back.value) : null;
  const range = { from, to, at: pointed ?? lookedBack };
  const words = ago(range.at === null ? 0 : to - range.at);
  back.setAttribute("aria-valuetext", words);
  write(output, words);
  views.forEach((view, number) => {
    const ownHistory = history.map(({ time, lines }) => ({ time, lines: lines[number] }));
    view.show(ownHistory, range, words);
  });
}

function showStatus(words, bad = false) {
  write(state, words);
  state.classList.toggle("bad", bad);
}
