// The values and the times at which a chart has a line and a label.

import { clock } from "./units.js";

const INTERVALS = 4; // the most between the lines of a chart
const LABEL = 70; // the least distance of two times, in pixels
const TIMES = [5, 10, 15, 30, 60, 120, 300, 600];
// Steps of a minute or more, in seconds.
const DURATIONS = [60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400];

/** Return the values from 0 to above `most` in steps of 1, 2 or 5 times a power of ten. */
export function valueTicks(most, unit) {
  const end = most > 0 ? most : 1;
  const step = valueStep(end / INTERVALS, unit);
  // A computed value that is a hair above a line needs no further line.
  const count = Math.ceil(end / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

function valueStep(least, unit) {
  if (unit === "count" && least < 1) return 1;
  if (unit === "seconds" && least > 50) {
    const found = DURATIONS.find((step) => step >= least);
    if (found) return found;
    return 86400 * roundStep(least / 86400);
  }
  return roundStep(least);
}

function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least) + 1e-9);
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= least * (1 - 1e-9));
}

/** Return the round times of a range: [{time, label}]; `width` is in pixels. */
export function timeTicks(from, to, width) {
  const step = TIMES.find((each) => (each / (to - from)) * width >= LABEL) ?? TIMES.at(-1);
  const ticks = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
    ticks.push({ time, label: step < 60 ? clock(time) : clock(time).slice(0, 5) });
  }
  return ticks;
}
