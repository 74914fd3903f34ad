// Numbers and times as text.

const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const times = new Intl.DateTimeFormat("en", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const DURATIONS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"], [0, "µs"]];

/** For each unit, the function that returns a number as text. */
export const UNITS = {
  "a second": (value) => `${digits.format(value)} /s`,
  "a minute": (value) => `${digits.format(value)} /min`,
  share: (value) => `${digits.format(100 * value)} %`,
  count: (value) => digits.format(value),
  bytes: (value) => `${digits.format(value / 1e6)} MB`,
  seconds,
};

function seconds(value) {
  if (value === 0) return "0 s";
  const [size, name] = DURATIONS.find(([least]) => value >= least);
  return `${digits.format(value / (size || 1e-6))} ${name}`;
}

/** Return a time (Unix seconds) as this computer's clock shows it: 14:05:30. */
export function clock(time) {
  return times.format(1000 * time);
}

/** Return a number of seconds as "… ago". */
export function ago(count) {
  if (count < 1) return "now";
  const minutes = Math.floor(count / 60);
  return `${minutes ? `${minutes} min ` : ""}${Math.round(count % 60)} s ago`;
}
