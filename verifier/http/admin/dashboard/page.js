// Reads /metrics again and again, keeps 15 minutes of what it says, and shows it.

import { PANELS } from "./panels.js";
import { Interval, Scrape } from "./scrape.js";
import { ago } from "./units.js";
import { PanelView, write } from "./view.js";

// Seconds: what is kept, what a chart shows at least, over what rates are taken, what a reading may take.
const KEPT = 15 * 60;
const LEAST = 60;
const RATE_OVER = 30;
const TIMEOUT = 10;

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
  if (isPaused()) say("Paused");
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

/** Read once, and again after the chosen time. */
async function read() {
  if (reading) return;
  reading = true;
  try {
    take(await scrape());
    say(isPaused() ? "Paused" : history.length ? "Live" : "Waiting for a second reading");
  } catch (error) {
    say(`Cannot read the metrics: ${error.message}`, true);
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
  // How old a key is, is told by the server's clock.
  const date = Date.parse(response.headers.get("Date")) / 1000 || time;
  return new Scrape(await response.text(), time, date);
}

function take(newest) {
  scrapes.push(newest);
  // Rates are taken from the youngest reading that is old enough, or the oldest that there is.
  while (scrapes.length > 2 && newest.time - scrapes[1].time >= RATE_OVER) scrapes.shift();
  if (scrapes.length > 1) {
    const both = new Interval(scrapes[0], newest);
    const lines = PANELS.map((panel) => panel.lines(both));
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

/** Draw all, once for all that has changed until the next frame. */
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
  const looked = Number(back.value) < 0 ? to + Number(back.value) : null;
  const range = { from, to, at: pointed ?? looked };
  const words = ago(range.at === null ? 0 : to - range.at);
  back.setAttribute("aria-valuetext", words);
  write(output, words);
  views.forEach((view, number) => {
    const own = history.map(({ time, lines }) => ({ time, lines: lines[number] }));
    view.show(own, range, words);
  });
}

function say(words, bad = false) {
  write(state, words);
  state.classList.toggle("bad", bad);
}
