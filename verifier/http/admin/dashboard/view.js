// One panel: a heading, a chart, and a table of its values for screen readers and for exact numbers.

import { draw, lineClass, shape, timeAt } from "./chart.js";
import { UNITS } from "./units.js";

export class PanelView {
  #panel;
  #section = document.createElement("section");
  #svg = shape("svg", { class: "chart", role: "img" });
  #table = document.createElement("table");
  #caption = document.createElement("caption");
  #nothing = document.createElement("p");
  #rows = new Map();
  #range = null;

  /** @param look called with the time under the pointer (Unix seconds), and with null when it leaves. */
  constructor(panel, number, look) {
    this.#panel = panel;
    const heading = document.createElement("h3");
    heading.id = `panel-${number}`;
    heading.textContent = panel.title;
    const about = document.createElement("p");
    about.textContent = panel.about;
    this.#section.setAttribute("aria-labelledby", heading.id);
    this.#svg.setAttribute("aria-label", `${panel.title} over time; the table has the values`);
    this.#caption.className = "hidden";
    this.#table.append(this.#caption, document.createElement("tbody"));
    this.#section.append(heading, about, this.#svg, this.#table, this.#nothing);
    this.#svg.addEventListener("pointermove", (event) =>
      this.#range && look(timeAt(this.#svg, event.clientX, this.#range)));
    this.#svg.addEventListener("pointerleave", () => look(null));
  }

  get element() {
    return this.#section;
  }

  /**
   * Show the panel's chart and table; without a history, that the values are being measured.
   * @param history [{time, lines: Map}], oldest first.
   * @param range {from, to, at} as in `draw`.
   * @param words the time of the table's values, as text.
   */
  show(history, range, words) {
    this.#range = range;
    const labels = this.#labels(history);
    const lines = labels.map((label, index) => ({
      name: lineClass(index, label),
      points: history.map(({ time, lines: values }) => ({ time, value: values.get(label) ?? null })),
    }));
    for (const element of [this.#svg, this.#table]) {
      element.toggleAttribute("hidden", labels.length === 0);
    }
    const known = history.filter(({ lines: { size } }) => size);
    this.#nothing.hidden = labels.length > 0;
    write(this.#nothing, known.length ? "Nothing so far." : "Measuring…");
    draw(this.#svg, lines, range, this.#panel.unit, UNITS[this.#panel.unit]);
    write(this.#caption, `${this.#panel.title}, ${words}`);
    const values = nearest(known, range.at ?? range.to)?.lines ?? new Map();
    this.#showRows(labels, values);
  }

  #labels(history) {
    const found = new Set();
    for (const { lines } of history) {
      for (const [label, value] of lines) {
        if (value !== null && (value > 0 || !this.#panel.busy)) found.add(label);
      }
    }
    return [...found].sort();
  }

  #showRows(labels, values) {
    for (const [label, row] of this.#rows) {
      if (!labels.includes(label)) {
        row.remove();
        this.#rows.delete(label);
      }
    }
    labels.forEach((label, index) => {
      if (!this.#rows.has(label)) this.#rows.set(label, newRow(label, this.#panel.codes));
      const row = this.#rows.get(label);
      row.querySelector("path").setAttribute("class", lineClass(index, label));
      const value = values.get(label) ?? null;
      write(row.querySelector("td"), value === null ? "–" : UNITS[this.#panel.unit](value));
      const body = this.#table.tBodies[0];
      // A row that does not change stays in place, so that a screen reader does not lose it.
      if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
    });
  }
}

function newRow(label, isCode) {
  const row = document.createElement("tr");
  const heading = document.createElement("th");
  heading.scope = "row";
  const swatch = shape("svg", { class: "swatch", viewBox: "0 0 24 10", "aria-hidden": "true" });
  swatch.append(shape("path", { d: "M1 5h22" }));
  heading.append(swatch, isCode ? codeLink(label) : label);
  row.append(heading, document.createElement("td"));
  return row;
}

/** Return a link to the explanation of a denial code. */
export function codeLink(code) {
  const link = document.createElement("a");
  link.href = `codes#${code}`;
  link.textContent = code;
  return link;
}

/** Set an element's text if it differs: setting an equal text would make screen readers repeat it. */
export function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function nearest(history, time) {
  return history.reduceRight(
    (best, each) => (best && Math.abs(best.time - time) <= Math.abs(each.time - time) ? best : each),
    null,
  );
}
