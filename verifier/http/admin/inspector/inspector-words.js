// The texts of the page: times, JSON and the text to copy. No function here uses the document.

const UNITS = [
    [730 * 86400, 365 * 86400, "years"],
    [2 * 86400, 86400, "days"],
    [2 * 3600, 3600, "h"],
    [2 * 60, 60, "min"],
    [0, 1, "s"],
];
const MARKS = { "pass": "✓", "fail": "✗", "not-reached": "·" };

export const RESULTS = { "pass": "passed", "fail": "failed", "not-reached": "not reached" };

export const mark = (result) => MARKS[result];

// A duration in the largest unit of which it has two, as in the verifier's own sentences.
export function span(seconds) {
    const [, unit, name] = UNITS.find(([least]) => seconds >= least);
    return `${Math.round(seconds / unit).toLocaleString("en")} ${name}`;
}

// A Unix time in this computer's time zone.
export function localTime(seconds) {
    const date = new Date(seconds * 1000);
    if (Number.isNaN(date.getTime())) {
        return "no date";
    }
    return new Intl.DateTimeFormat("en-GB", {
        day: "numeric", month: "short", year: "numeric",
        hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
    }).format(date);
}

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

// The rows of the table of times: name, time, and distance from the time of the decision.
export function times(answer) {
    const rows = [];
    const token = answer.token ?? {};
    const far = (seconds, ahead, behind) => {
        const away = seconds - answer.now;
        return away > 0 ? ahead(span(away)) : behind(span(-away));
    };
    const add = (name, seconds, ahead, behind) => {
        if (seconds !== null && seconds !== undefined) {
            rows.push([name, localTime(seconds), far(seconds, ahead, behind)]);
        }
    };
    add("Issued", token.issued_at, (length) => `in ${length}`, (length) => `${length} ago`);
    add("Valid from", token.not_before, (length) => `valid in ${length}`, (length) => `${length} ago`);
    add("Expires", token.expires, (length) => `expires in ${length}`, (length) => `expired ${length} ago`);
    if (token.claims && token.expires === null) {
        rows.push("exp" in token.claims ? ["Expires", "exp is no number", ""] : ["Expires", "no exp claim", "never expires"]);
    }
    rows.push(["Decided", localTime(answer.now), "by the verifier's clock"]);
    return rows;
}

// A note if this computer's clock differs from the verifier's by 30 seconds or more.
export function skew(answer) {
    const ahead = Date.now() / 1000 - answer.now;
    if (Math.abs(ahead) < 30) {
        return [];
    }
    const word = ahead > 0 ? "ahead of" : "behind";
    return [`This computer's clock is ${span(Math.abs(ahead))} ${word} the verifier's.`];
}

// Replace invisible characters and those that change the direction of the text by their codes.
export function visible(text) {
    return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, (found) => {
        const units = Array.from({ length: found.length }, (_, index) => found.charCodeAt(index));
        return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
    });
}

// Parse JSON, and keep numbers as they were sent: JavaScript cannot hold all that a token may hold.
export function parseExactly(text) {
    return JSON.parse(text, (_name, value, context) => {
        const changed = typeof value === "number" && context && String(value) !== context.source;
        return changed && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
    });
}

export function pretty(value) {
    return JSON.stringify(value, null, 2).split("\n").map(visible).join("\n");
}

// What a step expected and found, as two sentences.
export function stepWords(step) {
    if (step.result === "not-reached") {
        return ["not reached"];
    }
    const found = `found ${step.found ?? "nothing"}`;
    return [`expected ${step.expected}`, found];
}

export function verdictWords(answer) {
    return answer.allowed ? "Allowed" : `Denied: ${answer.code}`;
}

// The first sentence; a dot in quotes ends no sentence.
const SENTENCE = /^(?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`.]|\.(?!\s|$))+\./;

// Why the request is denied, in one sentence, and what to change; as `explain` prints them.
export function causeAndCure(answer) {
    const cure = answer.steps.map((step) => step.cure).find(Boolean) ?? "";
    const cause = SENTENCE.exec(cure)?.[0] ?? cure;
    return [cause, cure.slice(cause.length).trim()];
}

export function prosodyWords(answer) {
    return [answer.prosody.error, answer.prosody.reason].filter(Boolean).join(": ") || "nothing: the user is let in";
}

export function rulesOf(answer) {
    return answer.host === null ? "the options at the top of the configuration" : `the host ${visible(answer.host)}`;
}

// The whole page as text, for a ticket or a chat; the signature is left out.
export function asText(answer, exact, notes, badges) {
    const [cause, cure] = causeAndCure(answer);
    const lines = [cause, cure && `What to change: ${cure}`, verdictWords(answer)].filter(Boolean);
    lines.push(`Prosody would answer: ${prosodyWords(answer)}`);
    lines.push(`Room: ${answer.room_jid === null ? "none given" : visible(answer.room_jid)}`);
    lines.push(`Decided by: ${rulesOf(answer)}`);
    lines.push(`Rights: ${badges.join(", ")}`);
    lines.push("", `Times (${zone()})`);
    lines.push(...times(answer).map(([name, when, far]) => `  ${name}: ${[when, far].filter(Boolean).join(", ")}`));
    lines.push("", "Rules, in Jitsi's order");
    lines.push(...answer.steps.map((step) => `  ${mark(step.result)} ${step.name}: ${stepWords(step).join("; ")}`));
    for (const [title, part] of [["Header", "header"], ["Claims", "claims"]]) {
        if (exact.token?.[part]) {
            lines.push("", title, pretty(exact.token[part]));
        }
    }
    if (notes.length) {
        lines.push("", "Notes", ...notes.map((note) => `  - ${note}`));
    }
    return `${lines.join("\n")}\n`;
}
