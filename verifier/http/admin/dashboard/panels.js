// What is shown: the groups and panels of contrib/grafana.
//
// `rates` computes a panel's lines from two readings, an Interval; `gauges` from one, a Scrape. Both
// give a Map from labels to numbers; null is a gap. With `busy`, a line is drawn only once it was
// above 0, as `> 0` does in Grafana. With `codes`, the labels are denial codes.

const outcomeIs = (outcome) => (labels) => labels.outcome === outcome;
const failed = ({ result }) => result === "error" || result === "timeout";
const one = (label, value) => new Map([[label, value]]);
const named = (label, map) => new Map([...map.values()].map((value) => [label, value]));
const scaled = (factor, map) => new Map([...map].map(([key, value]) => [key, factor * value]));

const LATENCY = "decision_duration_seconds";

export const GROUPS = [
  {
    name: "people",
    title: "Decisions and people",
    panels: [
      {
        title: "Decisions by outcome",
        unit: "a second",
        about: "error: 503, keys are missing or too many tokens wait; would-deny: report-only mode.",
        rates: (both) => both.rate("decisions_total", ["outcome"]),
      },
      {
        title: "Denials by code",
        unit: "a second",
        busy: true,
        codes: true,
        about: "Each code leads to its explanation.",
        rates: (both) => both.rate("decisions_total", ["code"], ({ code }) => code !== ""),
      },
      {
        title: "People by outcome",
        unit: "a minute",
        about: "Each token counts once an hour for each outcome; invented ones, by address.",
        rates: (both) => scaled(60, both.rate("first_decisions_total", ["outcome"])),
      },
      {
        title: "People refused by code",
        unit: "a minute",
        busy: true,
        codes: true,
        about: "People without a token are not counted.",
        rates: (both) =>
          scaled(60, both.rate("first_decisions_total", ["code"], ({ code }) => code !== "")),
      },
      {
        title: "Allow ratio",
        unit: "share",
        about: "The share of people with a token who are let in. A few people an hour make it jump.",
        rates: (both) => one("allowed", both.share("first_decisions_total", outcomeIs("allowed"))),
      },
      {
        title: "Keep-alives",
        unit: "a second",
        about: "Each client with a websocket sends one every 60 to 120 seconds. A denial has no effect.",
        rates: (both) => both.rate("keep_alives_total", ["outcome"]),
      },
      {
        title: "Moderators",
        unit: "a second",
        about: "Allowed decisions that make the user a moderator.",
        rates: (both) => named("moderators", both.rate("moderators_total")),
      },
      {
        title: "Decisions by endpoint",
        unit: "a second",
        busy: true,
        about: "Which proxies and modules send requests.",
        rates: (both) => both.rate("decisions_total", ["endpoint"]),
      },
    ],
  },
  {
    name: "speed",
    title: "Speed and cache",
    panels: [
      {
        title: "Latency",
        unit: "seconds",
        about: "From a request's head to its answer.",
        rates: (both) =>
          new Map([0.5, 0.95, 0.99].flatMap((share) =>
            [...named(`p${100 * share}`, both.quantile(share, LATENCY))])),
      },
      {
        title: "Latency by endpoint",
        unit: "seconds",
        busy: true,
        about: "95 % of the decisions are faster.",
        rates: (both) => both.quantile(0.95, LATENCY, "endpoint"),
      },
      {
        title: "Cache hit ratio",
        unit: "share",
        about: "The share of requests that were answered from the cache.",
        rates: (both) =>
          one("hits", both.share("decision_cache_lookups_total", ({ result }) => result === "hit")),
      },
      {
        title: "Cached decisions",
        unit: "count",
        about: "Decisions in the cache.",
        gauges: (newest) => named("entries", newest.sum("decision_cache_entries")),
      },
      {
        title: "In flight",
        unit: "count",
        about: "Requests that are being answered. A request that stays here waits for keys.",
        gauges: (newest) => named("requests", newest.sum("in_flight")),
      },
      {
        title: "Refused for overload",
        unit: "a second",
        about: "New tokens that were refused, because too many waited for their signature check.",
        rates: (both) =>
          named("refused", both.rate("decisions_total", [], ({ code }) => code === "overloaded")),
      },
    ],
  },
  {
    name: "keys",
    title: "Keys",
    panels: [
      {
        title: "Keys in memory",
        unit: "count",
        busy: true,
        about: "Of each source.",
        gauges: (newest) => newest.sum("keys", "source"),
      },
      {
        title: "Key age",
        unit: "seconds",
        busy: true,
        about: "Time since a source's last good answer. A secret is read once; a key server is asked"
          + " only while tokens need its keys.",
        gauges: (newest) =>
          new Map(newest.samples("key_last_success_timestamp_seconds")
            .filter(({ value }) => value > 0)
            .map(({ labels, value }) => [labels.source, Math.max(0, newest.date - value)])),
      },
      {
        title: "Key fetch errors",
        unit: "a minute",
        busy: true,
        about: "Known keys work for a day.",
        rates: (both) => scaled(60, both.rate("key_fetches_total", ["source", "result"], failed)),
      },
      {
        title: "Key lookups",
        unit: "a second",
        busy: true,
        about: "stale: a key was used after its freshness; negative: a key known to be absent.",
        rates: (both) => both.rate("key_lookups_total", ["source", "result"]),
      },
    ],
  },
  {
    name: "workers",
    title: "Workers",
    panels: [
      {
        title: "Decisions by worker",
        unit: "a second",
        about: "One line for each process.",
        rates: (both) => both.rate("worker_decisions_total", ["worker"]),
      },
      {
        title: "Memory by worker",
        unit: "bytes",
        about: "Resident memory. The cache grows to 25 to 45 MB.",
        gauges: (newest) => newest.sum("worker_resident_memory_bytes", "worker"),
      },
      {
        title: "Worker restarts",
        unit: "count",
        about: "Processes that ended and were started again, since the start.",
        gauges: (newest) => named("restarts", newest.sum("worker_restarts_total")),
      },
    ],
  },
];
