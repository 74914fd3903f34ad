// The form: decodes the token in the page, sends it in the body of a POST to this verifier, stores nothing.

import { showAnswer, showTicket, showVerdict } from "./inspector-answer.js";
import { sampleUrl } from "./inspector-sample.js";
import { findToken, showToken } from "./inspector-token.js";
import { kindOf, parseExactly } from "./inspector-words.js";

const byId = (id) => document.getElementById(id);
const FIELDS = ["pasted", "room", "admin", "host"];
const UNREACHABLE = "The verifier does not answer. Does it run, and is the tunnel to it open?";
const UNAVAILABLE = "The verifier cannot answer now: it starts, stops or has too much to do. Try again in a moment.";
const OTHER_NAME = "Under this name the verifier answers no question. Open this page as localhost or 127.0.0.1, or set an admin_token.";
let running = new AbortController();

// fetch() raises an error for a header with letters beyond Latin-1. As UTF-8 bytes, a wrong token
// reaches the verifier, which refuses it.
function headers() {
    const token = String.fromCharCode(...new TextEncoder().encode(byId("admin").value));
    return token ? { Authorization: `Bearer ${token}` } : {};
}

// Return the response's text, or throw an Error with a sentence for the reader. Its `status` is 401
// if the admin token is missing.
async function request(path, options) {
    let response;
    try {
        response = await fetch(path, { cache: "no-store", redirect: "error", ...options });
    } catch (error) {
        throw error.name === "AbortError" ? error : new Error(UNREACHABLE);
    }
    const text = await response.text();
    if (response.ok) {
        return text;
    }
    throw Object.assign(new Error(wordsOf(response.status, text)), { status: response.status });
}

function wordsOf(status, text) {
    const detail = detailOf(text);
    if (status === 403 && detail?.startsWith("Host:")) {
        return OTHER_NAME;
    }
    // A proxy in front of this address answers 502 and 504 while the verifier is away.
    return [502, 503, 504].includes(status) ? UNAVAILABLE : detail ?? `The verifier answered ${status}.`;
}

function detailOf(text) {
    try {
        return JSON.parse(text).detail;
    } catch {
        return undefined;
    }
}

function requestBody() {
    const fields = { room: byId("room").value.trim(), host: byId("host").value, pasted: byId("pasted").value.trim() };
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => value));
}

async function inspect() {
    running.abort();
    running = new AbortController();
    clearAnswer();
    const body = requestBody();
    if (!body.pasted && !body.room) {
        showProblem("Paste a token or a join URL, or name a room to ask about guests.", byId("pasted"));
        return;
    }
    try {
        const text = await request("v1/explain", {
            method: "POST",
            body: JSON.stringify(body),
            headers: { "Content-Type": "application/json", ...headers() },
            signal: running.signal,
        });
        await loadHosts();
        show(text);
    } catch (error) {
        showError(error);
    }
}

function show(text) {
    const answer = JSON.parse(text);
    byId("empty").hidden = true;
    byId("card").hidden = false;
    byId("card").className = kindOf(answer);
    showVerdict(byId("verdict"), answer);
    showTicket(byId("ticket"), answer, document.querySelector(".bar .version").textContent);
    showAnswer(byId("answer"), answer, byId("host").options.length > 1);
    const { token } = parseExactly(text);
    if (token === null) {
        byId("decoded").replaceChildren();
    } else {
        showToken(byId("decoded"), token, findToken(byId("pasted").value)?.parts, answer.now);
    }
    byId("card").scrollIntoView({ block: "nearest" });
}

// Show the parts of the token while it is pasted or typed; no request is sent.
function preview() {
    const pasted = byId("pasted").value;
    const found = findToken(pasted);
    byId("offer").hidden = Boolean(pasted);
    if (found) {
        showToken(byId("decoded"), found, found.parts, Date.now() / 1000);
    } else {
        byId("decoded").replaceChildren();
    }
}

function showError(error) {
    if (error.name === "AbortError") {
        return;
    }
    if (error.status === 401) {
        askForAdminToken();
        return;
    }
    const field = error.message.startsWith("room:") ? "room" : "pasted";
    showProblem(error.message, byId(field));
}

function askForAdminToken() {
    const token = byId("admin").value;
    byId("admin-field").hidden = false;
    showProblem(token ? "This is not the admin token." : "This verifier asks for its admin token.", byId("admin"));
}

function showProblem(words, field) {
    byId("problem").textContent = words;
    field.setAttribute("aria-invalid", "true");
    field.focus();
}

function clearAnswer() {
    byId("problem").textContent = "";
    FIELDS.forEach((id) => byId(id).removeAttribute("aria-invalid"));
    byId("card").hidden = true;
    byId("empty").hidden = false;
    ["verdict", "ticket", "answer"].forEach((id) => byId(id).replaceChildren());
    preview();
}

function clearAll() {
    running.abort();
    FIELDS.forEach((id) => { byId(id).value = ""; });
    clearAnswer();
}

// Fill the list of configured hosts. The request fails while the admin token is missing.
async function loadHosts() {
    const select = byId("host");
    if (select.options.length > 1) {
        return;
    }
    const { hosts } = JSON.parse(await request("v1/hosts", { headers: headers() }));
    select.append(...hosts.map((name) => new Option(name, name)));
    byId("host-field").hidden = !hosts.length;
}

byId("question").addEventListener("submit", (event) => {
    event.preventDefault();
    inspect();
});
// A verdict on other input than what is shown would mislead.
byId("question").addEventListener("input", () => {
    running.abort();
    clearAnswer();
});
byId("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        inspect();
    }
});
byId("clear").addEventListener("click", () => {
    clearAll();
    byId("pasted").focus();
});
byId("sample").addEventListener("click", () => {
    byId("pasted").value = sampleUrl(byId("host").options[1]?.value ?? "meet.example.org");
    clearAnswer();
    document.querySelector("button[type=submit]").focus();
});
addEventListener("pagehide", clearAll);
loadHosts().catch((error) => {
    byId("admin-field").hidden = error.status !== 401;
});
