// The last readings of the metrics, and what has changed between them.

import { Interval } from "./scrape.js";

// In seconds.
const SHORT = 30; // the time over which rates are computed
const LONG = 15 * 60; // the time over which the headline counts people, as the alerts do
const APART = 15; // the distance of the readings that are kept for the long time

export class Readings {
  #short = [];
  #long = [];

  /** Forget all readings: the service may have been restarted, and its counters with it. */
  forget() {
    this.#short = [];
    this.#long = [];
  }

  /** Add a reading; return {newest, recent, long} as `headline.js` describes it. */
  add(newest) {
    if (this.#short.length && total(newest) < total(this.#short.at(-1))) this.forget();
    this.#short.push(newest);
    // The rates need one reading that is 30 seconds old; older ones are dropped.
    while (this.#short.length > 2 && newest.time - this.#short[1].time >= SHORT) this.#short.shift();
    if (!this.#long.length || newest.time - this.#long.at(-1).time >= APART) this.#long.push(newest);
    while (this.#long.length > 2 && newest.time - this.#long[1].time >= LONG) this.#long.shift();
    const between = (older) => (older === newest ? null : new Interval(older, newest));
    return { newest, recent: between(this.#short[0]), long: between(this.#long[0]) };
  }
}

/** Return the sum of a counter that grows with all that the service does. */
function total(scrape) {
  return scrape.samples("worker_decisions_total").reduce((sum, { value }) => sum + value, 0);
}
