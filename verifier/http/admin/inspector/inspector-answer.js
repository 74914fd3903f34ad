// Shows a response of /v1/explain. All values become text nodes, never markup.

import {
    asText, causeAndCure, localTime, mark, pretty, prosodyWords, RESULTS, rulesOf, skew, stepWords, times,
    verdictWords, visible, zone,
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

export function showVerdict(parent, answer) {
    parent.className = answer.allowed ? "allowed" : "denied";
    const [cause, cure] = causeAndCure(answer);
    parent.replaceChildren(
        element("h2", {}, ...withLocalTimes(cause || verdictWords(answer))),
        ...(cure ? [element("p", {}, element("strong", {}, "What to change: "), ...withLocalTimes(cure))] : []),
        ...(cause ? [element("p", {}, verdictWords(answer))] : []),
    );
}

export function showAnswer(parent, answer, exact) {
    const notes = [...answer.notes, ...skew(answer)];
    const badges = badgesOf(answer.token);
    const words = badges.map(([, word]) => word);
    parent.replaceChildren(
        element(
            "div", { class: "pair" },
            section("Verdict in detail", table(facts(answer), "Verdict in detail")),
            section(`Times, in ${zone()}`, table(times(answer), "Times")),
        ),
        section("Rights", ...warning(answer), element("ul", { class: "badges" }, ...badges.map(badge))),
        ...(notes.length ? [section("Worth knowing", list(notes))] : []),
        section("Rules, in Jitsi's order", rules(answer.steps)),
        ...decoded(exact.token),
        section("As text, without the signature", ...copyable(asText(answer, exact, notes, words))),
    );
}

function section(title, ...children) {
    return element("section", {}, element("h2", {}, title), ...children);
}

function list(notes) {
    return element("ul", {}, ...notes.map((note) => element("li", {}, ...withLocalTimes(note))));
}

function facts(answer) {
    return [
        ["Prosody would answer", prosodyWords(answer)],
        ["Room", answer.room_jid === null ? "none given" : visible(answer.room_jid) || "none in the URL"],
        ["Decided by", rulesOf(answer)],
    ];
}

function table(rows, label) {
    const body = rows.map(([name, ...cells]) => element(
        "tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", {}, cell)),
    ));
    return element("table", { "aria-label": label }, element("tbody", {}, ...body));
}

// The warning for a token whose signature is not verified: any program can write such a token.
function warning(answer) {
    if (answer.token === null || answer.token.verified) {
        return [];
    }
    return [element("p", {}, "The signature has not been verified: any program could have written this token.")];
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

function rules(steps) {
    return element("ol", { class: "rules" }, ...steps.map((step) => element(
        "li", { class: step.result },
        element("span", { "class": "mark", "aria-hidden": "true" }, mark(step.result)),
        element("span", { class: "name" }, step.name, element("span", { class: "unheard" }, ` ${RESULTS[step.result]}: `)),
        element("span", { class: "words" }, ...stepWords(step).map((words) => element("span", {}, ...withLocalTimes(words)))),
    )));
}

function decoded(token) {
    if (token === null) {
        return [];
    }
    return [["Header", token.header], ["Claims", token.claims]].map(([title, part]) => section(
        title,
        part === null
            ? element("p", {}, "This part cannot be decoded.")
            : element("pre", { "tabindex": "0", "role": "region", "aria-label": `${title}, decoded` }, pretty(part)),
    ));
}

function copyable(text) {
    const area = element("textarea", {
        "id": "text", "rows": "12", "readonly": "", "spellcheck": "false", "autocomplete": "off", "aria-label": "Everything above as text",
    });
    area.value = text;
    const status = element("span", { role: "status" });
    const button = element("button", { type: "button", id: "copy" }, "Copy");
    button.addEventListener("click", async () => {
        area.select();
        try {
            await navigator.clipboard.writeText(text);
            status.textContent = " Copied.";
        } catch {
            status.textContent = " Selected: press Ctrl+C.";
        }
    });
    return [area, element("p", { class: "buttons" }, button, status)];
}
