// The texts of the page: times, JSON and the text for a ticket. No function here uses the document.

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
    return format(date);
}

function format(date, timeZone) {
    return new Intl.DateTimeFormat("en-GB", {
        day: "numeric", month: "short", year: "numeric",
        hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short", timeZone,
    }).format(date);
}

export function utcTime(seconds) {
    const date = new Date(seconds * 1000);
    return Number.isNaN(date.getTime()) ? "no date" : format(date, "UTC");
}

// A Unix time here and in UTC; one text where both are the same.
export const bothTimes = (seconds) => [...new Set([localTime(seconds), utcTime(seconds)])];

// How far a time is from `now`, as in "expires in 3 h" and "expired 2 days ago".
export function relative(seconds, now, ahead, behind) {
    const away = seconds - now;
    return away > 0 ? `${ahead} ${span(away)}` : `${behind} ${span(-away)} ago`;
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

// Codes of which a later request may be allowed, because the verifier lacks something.
const UNDECIDED = ["keys-unavailable", "overloaded", "store-unavailable"];

const VERDICTS = {
    allowed: "Allowed", denied: "Denied", undecided: "Cannot be decided now", reported: "Would be denied",
};

// What the card of the verdict looks like.
export function kindOf(answer) {
    if (answer.allowed) {
        return "allowed";
    }
    if (UNDECIDED.includes(answer.code)) {
        return "undecided";
    }
    return answer.mode === "report-only" ? "reported" : "denied";
}

export const verdictWord = (answer) => VERDICTS[kindOf(answer)];

// What happens to a denied request in report-only mode; empty otherwise.
export function reportOnly({ allowed, mode }) {
    return allowed || mode !== "report-only" ? ""
        : "The request passes: this verifier is in report-only mode. It only logs and counts the denial.";
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

// What an allow opens, in one sentence; empty for a denial.
export function allowSummary({ allowed, token, now }) {
    if (!allowed) {
        return "";
    }
    if (token === null) {
        return "Guests enter without a token.";
    }
    const rights = token.moderator ? "as a moderator" : "without the rights of a moderator";
    const end = token.expires === null ? "it never expires" : relative(token.expires, now, "it expires in", "it expired");
    return `The token lets its user in ${rights}; ${end}.`;
}

// What a ticket needs: the verdict and the rule that failed. It has no part of the token but single claims.
export function asTicket(answer, version) {
    const [cause, cure] = causeAndCure(answer);
    const failed = answer.steps.find(({ result }) => result === "fail");
    const lines = [
        answer.code ? `${verdictWord(answer)}: ${answer.code}` : verdictWord(answer),
        cause,
        cure && `What to change: ${cure}`,
        reportOnly(answer),
        ...(failed ? [
            `Rule: ${failed.name}`, `Expected: ${failed.expected ?? "nothing"}`, `Found: ${failed.found ?? "nothing"}`,
        ] : []),
        `Room: ${answer.room_jid === null ? "none given" : visible(answer.room_jid) || "none in the URL"}`,
        answer.host !== null && `Host: ${visible(answer.host)}`,
        `Prosody would answer: ${prosodyWords(answer)}`,
        `Decided at: ${utcTime(answer.now)}`,
        `Version: jitsi-verifier ${version}`,
    ];
    return `${lines.filter(Boolean).join("\n")}\n`;
}
