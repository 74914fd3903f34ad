// The form: asks this verifier, in the body of a POST, and keeps nothing.

import { showAnswer, showVerdict } from "./inspector-answer.js";
import { parseExactly } from "./inspector-words.js";

const place = (id) => document.getElementById(id);
const FIELDS = ["pasted", "room", "admin", "host"];
let asking = new AbortController();

// Header values are bytes to fetch(): a wrong token in other letters is to be refused, not an error.
function headers() {
    const token = String.fromCharCode(...new TextEncoder().encode(place("admin").value));
    return token ? { Authorization: `Bearer ${token}` } : {};
}

// An answer, or an Error in people's words; `status` is 401 where the admin token is wanted.
async function ask(path, options) {
    let response;
    try {
        response = await fetch(path, { cache: "no-store", redirect: "error", ...options });
    } catch (error) {
        throw error.name === "AbortError" ? error : new Error("The verifier cannot be reached.");
    }
    const text = await response.text();
    if (response.ok) {
        return text;
    }
    throw Object.assign(new Error(detailOf(text) ?? `The verifier answered ${response.status}.`), { status: response.status });
}

function detailOf(text) {
    try {
        return JSON.parse(text).detail;
    } catch {
        return undefined;
    }
}

function question() {
    const asked = { room: place("room").value.trim(), host: place("host").value, pasted: place("pasted").value.trim() };
    return Object.fromEntries(Object.entries(asked).filter(([, value]) => value));
}

async function inspect() {
    asking.abort();
    asking = new AbortController();
    forgetAnswer();
    const body = question();
    if (!body.pasted && !body.room) {
        complain("Paste a token or a join URL, or name a room to ask about guests.", place("pasted"));
        return;
    }
    try {
        const text = await ask("v1/explain", {
            method: "POST",
            body: JSON.stringify(body),
            headers: { "Content-Type": "application/json", ...headers() },
            signal: asking.signal,
        });
        show(text);
        await learnHosts();
    } catch (error) {
        refuse(error);
    }
}

function show(text) {
    const answer = JSON.parse(text);
    showVerdict(place("verdict"), answer);
    showAnswer(place("answer"), answer, parseExactly(text));
    place("verdict").scrollIntoView({ block: "nearest" });
}

function refuse(error) {
    if (error.name === "AbortError") {
        return;
    }
    if (error.status === 401) {
        askForAdminToken();
        return;
    }
    const field = error.message.startsWith("room:") ? "room" : "pasted";
    complain(error.message, place(field));
}

function askForAdminToken() {
    const given = place("admin").value;
    place("admin-field").hidden = false;
    complain(given ? "This is not the admin token." : "This verifier asks for its admin token.", place("admin"));
}

function complain(words, field) {
    place("problem").textContent = words;
    field.setAttribute("aria-invalid", "true");
    field.focus();
}

function forgetAnswer() {
    place("problem").textContent = "";
    FIELDS.forEach((id) => place(id).removeAttribute("aria-invalid"));
    place("verdict").removeAttribute("class");
    place("verdict").replaceChildren();
    place("answer").replaceChildren();
}

function forgetAll() {
    asking.abort();
    forgetAnswer();
    FIELDS.forEach((id) => { place(id).value = ""; });
}

// The hosts with rules of their own, once it is known that we may ask for them.
async function learnHosts() {
    const select = place("host");
    if (select.options.length > 1) {
        return;
    }
    const { hosts } = JSON.parse(await ask("v1/hosts", { headers: headers() }));
    select.append(...hosts.map((name) => new Option(name, name)));
    place("host-field").hidden = !hosts.length;
}

place("question").addEventListener("submit", (event) => {
    event.preventDefault();
    inspect();
});
place("pasted").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        inspect();
    }
});
place("clear").addEventListener("click", () => {
    forgetAll();
    place("pasted").focus();
});
addEventListener("pagehide", forgetAll);
learnHosts().catch((error) => {
    place("admin-field").hidden = error.status !== 401;
});
