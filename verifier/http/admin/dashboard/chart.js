// Draws lines over time into an SVG element.

const NAMESPACE = "http://www.w3.org/2000/svg";
const LEFT = 58;
const BOTTOM = 18;
const TOP = 8;

/** Make an SVG element. */
export function shape(name, attributes, text) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** The classes of a line: eight colours and four dashes. Neighbours never have the same dash. */
export function lineClass(index) {
  return `line c${index % 8} d${(index + Math.floor(index / 8)) % 4}`;
}

/**
 * Draw the lines, the scale and the cursor.
 * @param svg the element; the style sheet sets its size.
 * @param lines [{index, points: [{time, value}]}]; a null value is a gap.
 * @param range {from, to, at}: Unix seconds; `at` is the cursor's time, null for none.
 * @param write returns a value as text.
 * @param least the smallest upper end of the scale.
 */
export function draw(svg, lines, range, write, least) {
  const { width, height } = svg.getBoundingClientRect();
  const top = ceiling(lines.flatMap(({ points }) => points.map(({ value }) => value)), least);
  const x = (time) => LEFT + ((time - range.from) / (range.to - range.from)) * (width - LEFT - 4);
  const y = (value) => TOP + (1 - value / top) * (height - TOP - BOTTOM);
  const parts = [0, 0.5, 1].flatMap((part) => scaleLine(y(part * top), width, write(part * top)));
  parts.push(...timeLabels(range, width, height));
  for (const { index, points } of lines) {
    parts.push(shape("path", { class: lineClass(index), d: path(points, x, y) }));
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

/** Return the next round number above all values: 1, 2 or 5 times a power of ten; 1 if all are 0. */
function ceiling(values, least) {
  const value = values.reduce((most, each) => Math.max(most, each), least);
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? 10 * power;
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

function timeLabels({ from, to }, width, height) {
  const minutes = Math.round((to - from) / 60);
  return [
    shape("text", { x: LEFT, y: height - 3 }, `${minutes} min ago`),
    shape("text", { x: width - 4, y: height - 3, "text-anchor": "end" }, "now"),
  ];
}
