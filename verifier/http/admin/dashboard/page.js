// Reads /metrics repeatedly, keeps 15 minutes of the computed lines, and shows them.

import { groupElements } from "./groups.js";
import { GROUPS } from "./panels.js";
import { Readings } from "./readings.js";
import { Scrape } from "./scrape.js";
import { makeTiles, showTiles } from "./tiles.js";
import { ago, clock, UNITS } from "./units.js";
import { PanelView, write } from "./view.js";

// All in seconds.
const KEPT = 15 * 60; // the history
const LEAST = 60; // the shortest time that a chart shows
const TIMEOUT = 10; // the longest time for one request
const SKEW = 5; // a smaller difference of two clocks is not shown

const at = (id) => document.getElementById(id);
const [state, pause, every, back, output] = ["status", "pause", "every", "back", "ago"].map(at);
const panels = GROUPS.flatMap((group) => group.panels);
const views = panels.map((panel, number) => new PanelView(panel, number, pointAt));
const readings = new Readings();

let history = [];
let answeredAt = null; // the time of the last good reading
let pointed = null;
let timer = null;
let reading = false;
let drawing = false;

makeTiles(at("headline"));
at("groups").append(...groupElements(
  GROUPS.map(({ panels: own, ...group }) => ({
    ...group,
    elements: own.map((panel) => views[panels.indexOf(panel)].element),
  })),
  show,
));
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
    showStatus(isPaused() ? "Paused" : "Live");
  } catch (error) {
    lose(error);
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
  const time = now();
  // The age of a key needs the server's clock, because its timestamps come from there.
  const date = Date.parse(response.headers.get("Date")) / 1000 || time;
  return new Scrape(await response.text(), time, date);
}

/** Return the time by this computer's clock; it never goes back. */
function now() {
  return (performance.timeOrigin + performance.now()) / 1000;
}

function take(newest) {
  const taken = readings.add(newest);
  const lines = panels.map(({ rates, gauges }) => {
    if (gauges) return gauges(newest);
    return taken.recent ? rates(taken.recent) : new Map();
  });
  history.push({ time: newest.time, lines });
  history = history.filter(({ time }) => newest.time - time <= KEPT);
  answeredAt = newest.time;
  showTiles(taken);
  showSkew(newest.time - newest.date);
  show();
}

/** The service did not answer: leave a gap in the lines, and go on with new readings. */
function lose(error) {
  readings.forget();
  if (history.length && history.at(-1).time === answeredAt) {
    history.push({ time: answeredAt + 0.001, lines: panels.map(() => new Map()) });
  }
  const reason = error instanceof TypeError ? "no answer" : error.message;
  const since = answeredAt === null ? "" : ` The values below are from ${clock(answeredAt)}.`;
  showStatus(`Cannot read the metrics: ${reason}.${since} Trying again.`, true);
  show();
}

function showSkew(seconds) {
  const direction = seconds > 0 ? "ahead of" : "behind";
  const isLarge = Math.abs(seconds) >= SKEW;
  write(at("skew"), isLarge ? `, which is ${UNITS.seconds(Math.abs(seconds))} ${direction} that of the server` : "");
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
  const to = history.at(-1)?.time ?? now();
  const from = Math.min(history[0]?.time ?? to, to - LEAST);
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
  document.body.classList.toggle("stale", bad);
}
