// Draws lines over time into an SVG element.

import { timeTicks, valueTicks } from "./axis.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const LEFT = 58;
const BOTTOM = 18;
const TOP = 8;
const OUTCOMES = ["allowed", "denied", "error", "would-deny"];

/** Make an SVG element. */
export function shape(name, attributes, text) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * The classes of a line. An outcome has the same colour in every chart. Other lines have eight
 * colours and four dashes; neighbours never have the same dash.
 */
export function lineClass(index, label) {
  if (OUTCOMES.includes(label)) return `line ${label} d${OUTCOMES.indexOf(label)}`;
  return `line c${index % 8} d${(index + Math.floor(index / 8)) % 4}`;
}

/**
 * Draw the lines, the scale and the cursor.
 * @param svg the element; the style sheet sets its size.
 * @param lines [{name, points: [{time, value}]}]; `name` is of `lineClass`; a null value is a gap.
 * @param range {from, to, at}: Unix seconds; `at` is the cursor's time, null for none.
 * @param unit the unit of the values, and `write`, which returns a value as text.
 */
export function draw(svg, lines, range, unit, write) {
  const { width, height } = svg.getBoundingClientRect();
  if (!width) return; // in a closed group
  const values = lines.flatMap(({ points }) => points.map(({ value }) => value));
  const most = values.reduce((all, each) => Math.max(all, each), unit === "share" ? 1 : 0);
  const ticks = valueTicks(most, unit);
  const top = ticks.at(-1);
  const x = (time) => LEFT + ((time - range.from) / (range.to - range.from)) * (width - LEFT - 4);
  const y = (value) => TOP + (1 - value / top) * (height - TOP - BOTTOM);
  const parts = ticks.flatMap((value) => scaleLine(y(value), width, write(value)));
  parts.push(...timeLabels(range, x, width, height));
  for (const { name, points } of lines) {
    parts.push(shape("path", { class: name, d: path(points, x, y) }));
  }
  if (range.at !== null) {
    const at = x(Math.max(range.at, range.from));
    parts.push(shape("line", { class: "cursor", x1: at, x2: at, y1: TOP, y2: height - BOTTOM }));
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...parts);
}

/** Return the time that belongs to a position in the chart. */
export function timeAt(svg, clientX, range) {
  const { left, width } = svg.getBoundingClientRect();
  const part = (clientX - left - LEFT) / (width - LEFT - 4);
  return range.from + Math.min(1, Math.max(0, part)) * (range.to - range.from);
}

function path(points, x, y) {
  let pen = "M";
  return points.map(({ time, value }) => {
    if (value === null) {
      pen = "M";
      return "";
    }
    // `h0` draws a line of no length. Its round ends show as a dot where there is only one point.
    const step = `${pen}${x(time).toFixed(1)} ${y(value).toFixed(1)}${pen === "M" ? "h0" : ""}`;
    pen = "L";
    return step;
  }).join("");
}

function scaleLine(y, width, words) {
  return [
    shape("line", { class: "grid", x1: LEFT, x2: width - 4, y1: y, y2: y }),
    shape("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, words),
  ];
}

function timeLabels({ from, to }, x, width, height) {
  return timeTicks(from, to, width - LEFT - 4)
    .filter(({ time }) => x(time) - LEFT > 20 && width - x(time) > 30)
    .flatMap(({ time, label }) => [
      shape("line", { class: "grid", x1: x(time), x2: x(time), y1: height - BOTTOM, y2: height - BOTTOM + 4 }),
      shape("text", { class: "time", x: x(time), y: height - 3, "text-anchor": "middle" }, label),
    ]);
}
