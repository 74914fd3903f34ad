// The headline: what an operator wants to know first, coloured by the thresholds of the alerts.
//
// A tile's function returns {value, note, alert, code}. `alert` is the name of the alert whose
// threshold is passed, `code` a denial code that the note ends with. A reading is {newest, recent,
// long}: the last reading, the change in the last 30 seconds, and the change in the last 15 minutes,
// or since the page was opened. Both changes are null at the first reading.

import {
  THRESHOLDS, UNSIGNED_DENIALS, USUAL_DENIALS, USUAL_SKIP_REASONS,
} from "./thresholds.js";
import { clock, UNITS } from "./units.js";

const MEASURING = { value: "measuring…" };
const LEAST_SECONDS = 300; // TokensGuessed takes the mean of five minutes
const outcomeIs = (...names) => ({ outcome }) => names.includes(outcome);
const failed = ({ result }) => result === "error" || result === "timeout";
const perSecond = UNITS["a second"];

/** Return the sum of a counter's increase, or of a gauge's values, that `where` accepts. */
function sum(samples, where = () => true) {
  return samples.reduce((all, { labels, value }) => all + (where(labels) ? value : 0), 0);
}

function people(long, where) {
  return sum(long.increases("first_decisions_total"), where);
}

function allowed({ recent, long }) {
  if (!recent) return MEASURING;
  const value = perSecond(sum(recent.increases("decisions_total"), outcomeIs("allowed")) / recent.seconds);
  const without = people(long, outcomeIs("error"));
  const share = without / (without + people(long, outcomeIs("allowed", "denied")));
  const { ratio, people: least } = THRESHOLDS.JitsiVerifierUnavailable;
  if (share > ratio && without > least) {
    const note = `${UNITS.share(share)} of the people got no decision (503)`;
    return { value, note, alert: "JitsiVerifierUnavailable" };
  }
  const admitted = people(long, outcomeIs("allowed"));
  return { value, note: `${admitted ? counted(admitted, "person", "people") : "no people"} ${since(long)}` };
}

function denied({ recent, long }) {
  if (!recent) return MEASURING;
  const refused = outcomeIs("denied", "would-deny");
  const value = perSecond(sum(recent.increases("decisions_total"), refused) / recent.seconds);
  const unsigned = sum(long.increases("decisions_total"),
    (labels) => refused(labels) && UNSIGNED_DENIALS.includes(labels.code)) / long.seconds;
  const { rate, times } = THRESHOLDS.JitsiVerifierTokensGuessed;
  const guessed = long.seconds >= LEAST_SECONDS && unsigned > rate
    && long.seconds * unsigned > times * people(long, outcomeIs("allowed"));
  const alert = guessed ? "JitsiVerifierTokensGuessed" : undefined;
  const codes = [...recent.rate("decisions_total", ["code"], refused)].filter(([, each]) => each > 0);
  const [code] = codes.sort((a, b) => b[1] - a[1])[0] ?? [];
  const note = guessed ? "a client tries tokens; mostly" : code ? "mostly" : "none in 30 s";
  return { value, note, code, alert };
}

function refused({ long }) {
  if (!long) return MEASURING;
  const count = people(long, ({ outcome, code }) => outcome === "denied" && !USUAL_DENIALS.includes(code));
  const all = count + people(long, outcomeIs("allowed"));
  if (!all) return { value: "–", note: `no people ${since(long)}` };
  const { ratio, people: least } = THRESHOLDS.JitsiVerifierDenyRatioHigh;
  const alert = count / all > ratio && count > least ? "JitsiVerifierDenyRatioHigh" : undefined;
  return { value: UNITS.share(count / all), note: `${count} of ${all} ${since(long)}`, alert };
}

function latency({ recent }) {
  if (!recent) return MEASURING;
  const [p50, p95] = [0.5, 0.95].map((share) =>
    [...recent.quantile(share, "decision_duration_seconds").values()][0] ?? null);
  if (p95 === null) return { value: "–", note: "no requests in 30 s" };
  const { seconds, rate } = THRESHOLDS.JitsiVerifierLatencyHigh;
  const isHigh = p95 > seconds && sum(recent.increases("decisions_total")) / recent.seconds > rate;
  const alert = isHigh ? "JitsiVerifierLatencyHigh" : undefined;
  return { value: UNITS.seconds(p95), note: `p50: ${UNITS.seconds(p50)}`, alert };
}

function keys({ newest, long }) {
  const found = newest.samples("keys").filter(({ value }) => value > 0);
  const value = found.length ? UNITS.count(sum(found)) : "none yet";
  return { value, note: found.map(({ labels }) => labels.source).join(", "), ...keyProblem(newest, long) };
}

function keyProblem(newest, long) {
  const skipped = sum(newest.samples("skipped_keys"), ({ reason }) => !USUAL_SKIP_REASONS.includes(reason));
  const stale = long ? sum(long.increases("key_lookups_total"), ({ result }) => result === "stale") : 0;
  const fetched = newest.samples("key_last_success_timestamp_seconds")
    .filter(({ labels, value }) => labels.source === "document" && value > 0);
  const { lookups, seconds } = THRESHOLDS.JitsiVerifierKeySourceStale;
  const isOld = fetched.some(({ value }) => newest.date - value > seconds);
  if (long && long.share("key_fetches_total", failed) > THRESHOLDS.JitsiVerifierKeyFetchFailing.ratio) {
    return { note: "fetching them fails", alert: "JitsiVerifierKeyFetchFailing" };
  }
  if (stale > lookups || isOld) return { note: "stale", alert: "JitsiVerifierKeySourceStale" };
  if (skipped > THRESHOLDS.JitsiVerifierKeysSkipped.keys) {
    return { note: `${skipped} not used`, alert: "JitsiVerifierKeysSkipped" };
  }
  return {};
}

function store({ newest }) {
  const revocations = sum(newest.samples("revocations"));
  const isDown = newest.samples("revocation_store_up")
    .some(({ value }) => value === THRESHOLDS.JitsiVerifierRevocationStoreDown.up);
  return {
    value: isDown ? "unavailable" : "up",
    note: revocations ? `${counted(revocations, "revocation", "revocations")} in force` : "no revocations",
    alert: isDown ? "JitsiVerifierRevocationStoreDown" : undefined,
  };
}

function workers({ newest, long }) {
  const restarts = long ? sum(long.increases("worker_restarts_total")) : 0;
  return {
    value: UNITS.count(sum(newest.samples("workers"))),
    note: restarts ? `${counted(restarts, "restart", "restarts")} ${since(long)}` : "no restarts",
    alert: restarts > THRESHOLDS.JitsiVerifierWorkersRestart.restarts ? "JitsiVerifierWorkersRestart" : undefined,
  };
}

function mode({ newest }) {
  const reportOnly = sum(newest.samples("report_only")) > 0;
  const isOld = newest.samples("config_last_reload_successful")
    .some(({ value }) => value === THRESHOLDS.JitsiVerifierReloadFailed.successful);
  return {
    value: reportOnly ? "report-only" : "enforce",
    note: isOld ? "reload failed: older configuration in use"
      : reportOnly ? "nothing is denied" : "last reload good",
    alert: isOld ? "JitsiVerifierReloadFailed" : undefined,
    warn: reportOnly,
  };
}

/** The tiles: [title, function]. The titles are those of the first row in contrib/grafana. */
export const TILES = [
  ["Allowed", allowed],
  ["Denied", denied],
  ["People refused", refused],
  ["p95 latency", latency],
  ["Keys", keys],
  ["Revocation store", store],
  ["Workers", workers],
  ["Mode", mode],
];

/** Return the state of a tile: "bad" for a critical alert, "warn" for another; "" without a value. */
export function stateOf({ value, alert, warn }) {
  if (alert) return THRESHOLDS[alert].severity === "critical" ? "bad" : "warn";
  if (warn) return "warn";
  return value === MEASURING.value ? "" : "good";
}

function counted(count, one, many) {
  return `${UNITS.count(count)} ${count === 1 ? one : many}`;
}

function since({ older }) {
  return `since ${clock(older.time)}`;
}
