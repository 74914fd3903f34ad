// Shows in the bar what the verifier does with denials, and whether it has its keys.

const EVERY = 15; // seconds between two readings
const TIMEOUT = 10; // the longest time for one reading, seconds
// The states of a key source, the worst first.
const STATES = [
    ["starting", "bad", "keys: not read yet"],
    ["failing", "bad", "keys: unavailable"],
    ["stale", "warn", "keys: stale"],
    ["ready", "good", "keys: ready"],
    ["never-needed", "", "keys: not needed yet"],
];
const NAMES = { secret: "the secret", file: "files", document: "the key set", asap: "the key server" };

async function read() {
    if (!document.hidden) {
        try {
            const signal = AbortSignal.timeout(1000 * TIMEOUT);
            // The status is 503 while the verifier is not ready; the body has the same form.
            const state = await (await fetch("readyz", { cache: "no-store", signal })).json();
            show("bar-mode", ...modeOf(state));
            show("bar-keys", ...keysOf(state.sources));
        } catch {
            show("bar-mode", "", "mode: unknown");
            show("bar-keys", "bad", "verifier: no answer");
        }
    }
    setTimeout(read, 1000 * EVERY);
}

function modeOf({ mode }) {
    return mode === "report-only"
        ? ["warn", "report-only", "Denials are counted and logged, and every request is let through."]
        : ["", mode, "What is denied is not let through."];
}

function keysOf(sources) {
    const [, kind, words] = STATES.find(([name]) => sources.some(({ state }) => state === name)) ?? ["", "", "keys: none"];
    const hint = sources.map(({ source, state, last_error: error }) => `${NAMES[source] ?? source}: ${error ?? state}`);
    return [kind, words, hint.join("\n")];
}

function show(id, kind, words, hint = "") {
    const element = document.getElementById(id);
    element.className = kind;
    element.title = hint;
    // An equal text would make a screen reader repeat it.
    if (element.textContent !== words) {
        element.textContent = words;
    }
}

read();
