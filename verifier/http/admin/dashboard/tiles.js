// Shows the headline.

import { stateOf, TILES } from "./headline.js";
import { codeLink, write } from "./view.js";

const SIGNS = { bad: "alarm", warn: "warning" };
const tiles = new Map();

/** Make the tiles, in a description list. */
export function makeTiles(list) {
  for (const [title] of TILES) {
    const [tile, name, value, note, sign, words, code] = ["div", "dt", "dd", "dd", "span", "span", "span"]
      .map((kind) => document.createElement(kind));
    [sign.className, value.className, note.className] = ["sign", "value", "note"];
    name.append(title, " ", sign);
    note.append(words, " ", code);
    tile.append(name, value, note);
    list.append(tile);
    tiles.set(title, { tile, sign, value, words, code });
    write(value, "…");
  }
}

/** Show a reading, as `headline.js` describes it. */
export function showTiles(reading) {
  for (const [title, compute] of TILES) {
    const shown = compute(reading);
    const { tile, sign, value, words, code } = tiles.get(title);
    const state = stateOf(shown);
    tile.className = state;
    write(sign, SIGNS[state] ?? "");
    write(value, shown.value);
    write(words, shown.note ?? "");
    if (code.textContent !== (shown.code ?? "")) {
      code.replaceChildren(...(shown.code ? [codeLink(shown.code)] : []));
    }
  }
}
