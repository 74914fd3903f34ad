// Shows a response of /v1/explain. All values become text nodes, never markup.

import {
    allowSummary, asTicket, bothTimes, causeAndCure, localTime, mark, prosodyWords, reportOnly, RESULTS, skew,
    verdictWord, visible,
} from "./inspector-words.js";

const UTC = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/;

export function element(name, attributes = {}, ...children) {
    const created = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) {
        created.setAttribute(attribute, value);
    }
    created.append(...children);
    return created;
}

// Replace the UTC times in the verifier's sentences by times in the reader's zone.
export function withLocalTimes(text) {
    const parts = [];
    for (let rest = text; rest;) {
        const found = UTC.exec(rest);
        if (!found) {
            parts.push(rest);
            break;
        }
        const iso = `${found[0].slice(0, 10)}T${found[0].slice(11, 19)}Z`;
        const local = localTime(Date.parse(iso) / 1000);
        parts.push(rest.slice(0, found.index), element("time", { datetime: iso, title: found[0] }, local));
        rest = rest.slice(found.index + found[0].length);
    }
    return parts;
}

// The sentence first, then what to change, then the code.
export function showVerdict(parent, answer) {
    const [cause, cure] = causeAndCure(answer);
    parent.replaceChildren(
        element("h2", {}, ...withLocalTimes(cause || verdictWord(answer))),
        ...(cure ? [element("p", {}, element("strong", {}, "What to change: "), ...withLocalTimes(cure))] : []),
        ...(reportOnly(answer) ? [element("p", {}, reportOnly(answer))] : []),
        ...(answer.code ? [codeLine(answer)] : []),
    );
}

function codeLine(answer) {
    const link = element("a", { href: `codes#${answer.code}`, title: "What this code means" }, answer.code);
    const button = element("button", { "type": "button", "id": "copy-code", "aria-label": "Copy the code", "title": "Copy the code" });
    button.addEventListener("click", () => copy(answer.code));
    return element("p", { class: "code" }, `${verdictWord(answer)}: `, link, button);
}

// What an allow opens, and the button that copies what a support ticket needs.
export function showTicket(parent, answer, version) {
    const button = element("button", { type: "button", id: "copy" }, "Copy for a ticket");
    button.addEventListener("click", () => copy(asTicket(answer, version)));
    const status = element("span", { class: "hint", id: "copied", role: "status" }, "Without the token and its signature.");
    const summary = allowSummary(answer);
    parent.replaceChildren(
        ...(summary ? [element("p", {}, summary)] : []), element("p", { class: "buttons" }, button, status),
    );
}

// Copy a text. A browser refuses if the address is neither HTTPS nor this computer: then show the text, selected.
async function copy(text) {
    const status = document.getElementById("copied");
    const parent = document.getElementById("ticket");
    parent.querySelector("textarea")?.remove();
    try {
        await navigator.clipboard.writeText(text);
        status.textContent = "Copied.";
    } catch {
        const area = element("textarea", { "id": "text", "rows": "8", "readonly": "", "aria-label": "Text to copy" });
        area.value = text;
        parent.append(area);
        area.select();
        status.textContent = "Selected: press Ctrl+C.";
    }
}

export function showAnswer(parent, answer, hasHosts) {
    const notes = [...answer.notes, ...skew(answer)];
    const doubted = answer.token !== null && !answer.token.verified;
    parent.replaceChildren(
        section("Rules, in Jitsi's order", ...["fail", "pass", "not-reached"].flatMap((result) => ruleGroup(answer, result))),
        ...(notes.length ? [section("Worth knowing", list(notes))] : []),
        section(
            doubted ? "Rights that the token claims" : "Rights",
            element("ul", { class: "badges" }, ...badgesOf(answer.token).map(badge)),
        ),
        section("Details", facts(answer, hasHosts)),
    );
}

function section(title, ...children) {
    return element("section", {}, element("h2", {}, title), ...children);
}

function list(notes) {
    return element("ul", {}, ...notes.map((note) => element("li", {}, ...withLocalTimes(note))));
}

// The rules with one result: those that failed are open, the others are folded.
function ruleGroup(answer, result) {
    const steps = answer.steps.filter((step) => step.result === result);
    if (!steps.length) {
        return [];
    }
    const words = `${steps.length} ${steps.length === 1 ? "rule" : "rules"} ${RESULTS[result]}`;
    const attributes = { class: result, ...(result === "fail" ? { open: "" } : {}) };
    const content = result === "not-reached"
        ? element("p", {}, steps.map(({ name }) => name).join(", "))
        : element("ol", { class: "rules" }, ...steps.map(rule));
    const sign = element("span", { "class": "mark", "aria-hidden": "true" }, mark(result));
    return [element("details", attributes, element("summary", {}, sign, words), content)];
}

function rule(step) {
    const column = (title, words, name) => element(
        "div", {}, element("dt", {}, title), element("dd", { class: name }, ...withLocalTimes(words ?? "nothing")),
    );
    return element(
        "li", { class: step.result }, element("span", { class: "name" }, step.name),
        element("dl", {}, column("Expected", step.expected, "expected"), column("Found", step.found, "found")),
    );
}

function facts(answer, hasHosts) {
    const rows = [
        ["Prosody would answer", prosodyWords(answer)],
        ["Room", answer.room_jid === null ? "none given" : visible(answer.room_jid) || "none in the URL"],
        ...(hasHosts ? [["Host", answer.host === null ? "none: the common rules" : visible(answer.host)]] : []),
        ["Verifier's clock", bothTimes(answer.now).join(" · ")],
    ];
    const cells = rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
    return element("dl", { class: "facts" }, ...cells);
}

function badgesOf(token) {
    if (token === null) {
        return [["plain", "guest, without a token"]];
    }
    const user = token.claims?.context?.user;
    const name = [user?.name, user?.email].filter((text) => typeof text === "string" && text).map(visible);
    const features = Object.entries(token.features);
    return [
        token.moderator ? ["on", "moderator"] : ["plain", "no moderator"],
        ...(name.length ? [["plain", name.join(", ")]] : []),
        ...features.map(([feature, on]) => (on ? ["on", visible(feature)] : ["off", `${visible(feature)}: off`])),
    ];
}

function badge([kind, word]) {
    return element("li", { class: kind }, word);
}

