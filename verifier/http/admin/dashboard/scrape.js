// Reads Prometheus' text format, and computes rates and quantiles from two readings as Prometheus does.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const NUMBERS = { "+Inf": Infinity, "-Inf": -Infinity };

/** One reading: its samples, its time by this browser's clock, and its date by the server's. */
export class Scrape {
  constructor(text, time, date) {
    this.time = time;
    this.date = date;
    this.series = new Map();
    for (const line of text.split("\n")) this.#take(line);
  }

  #take(line) {
    const found = line.startsWith("#") ? null : SAMPLE.exec(line);
    if (!found) return;
    const [, name, inner = "", number] = found;
    const pairs = [...inner.matchAll(LABEL)].map(([, key, text]) => [key, unescaped(text)]);
    const value = NUMBERS[number] ?? Number(number);
    if (!this.series.has(name)) this.series.set(name, new Map());
    this.series.get(name).set(inner, { labels: Object.fromEntries(pairs), value });
  }

  /** Return the samples of a metric: [{labels, value}]; empty if there is no such metric. */
  samples(name) {
    return [...(this.series.get(`jitsi_verifier_${name}`)?.values() ?? [])];
  }

  /** Return a gauge's sums by labels: a Map from the joined label values to numbers. */
  sum(name, ...by) {
    return sumBy(this.samples(name), by);
  }
}

/** Two readings, and the changes between them. */
export class Interval {
  constructor(older, newer) {
    this.older = older;
    this.newer = newer;
    this.seconds = newer.time - older.time;
  }

  /** Return the increases of a counter: [{labels, value}]. A series that was reset counts from 0. */
  increases(name) {
    const before = this.older.series.get(`jitsi_verifier_${name}`) ?? new Map();
    const now = this.newer.series.get(`jitsi_verifier_${name}`) ?? new Map();
    return [...now].map(([key, { labels, value }]) => {
      const old = before.get(key)?.value ?? 0;
      return { labels, value: value < old ? value : value - old };
    });
  }

  /** Return a counter's increase per second, summed by labels, of the series that `where` accepts. */
  rate(name, by = [], where = () => true) {
    const increase = sumBy(this.increases(name).filter(({ labels }) => where(labels)), by);
    return new Map([...increase].map(([key, value]) => [key, value / this.seconds]));
  }

  /** Return the share of a counter's increase that `where` accepts; null without an increase. */
  share(name, where) {
    const all = total(this.increases(name));
    return all ? total(this.increases(name).filter(({ labels }) => where(labels))) / all : null;
  }

  /** Return a histogram's quantile by labels, as histogram_quantile() does; null without observations. */
  quantile(share, name, ...by) {
    const groups = new Map();
    for (const { labels, value } of this.increases(`${name}_bucket`)) {
      const key = by.map((label) => labels[label]).join(" ");
      const buckets = groups.get(key) ?? new Map();
      const end = labels.le === "+Inf" ? Infinity : Number(labels.le);
      groups.set(key, buckets.set(end, (buckets.get(end) ?? 0) + value));
    }
    return new Map([...groups].map(([key, buckets]) => [key, quantileOf(share, buckets)]));
  }
}

function unescaped(text) {
  return text.replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));
}

function sumBy(samples, by) {
  const sums = new Map();
  for (const { labels, value } of samples) {
    const key = by.map((label) => labels[label]).join(" ");
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}

function total(samples) {
  return samples.reduce((sum, { value }) => sum + value, 0);
}

/** Interpolate in cumulative buckets: a Map from upper ends to counts. */
function quantileOf(share, buckets) {
  const ends = [...buckets.keys()].sort((a, b) => a - b);
  const rank = share * buckets.get(Infinity);
  if (!(rank > 0)) return null;
  const index = ends.findIndex((end) => buckets.get(end) >= rank);
  const [low, below] = index ? [ends[index - 1], buckets.get(ends[index - 1])] : [0, 0];
  if (ends[index] === Infinity) return low;
  return low + ((ends[index] - low) * (rank - below)) / (buckets.get(ends[index]) - below);
}
