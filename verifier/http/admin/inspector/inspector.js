// The form: sends the token in the body of a POST to this verifier, and stores nothing.

import { showAnswer, showVerdict } from "./inspector-answer.js";
import { parseExactly } from "./inspector-words.js";

const byId = (id) => document.getElementById(id);
const FIELDS = ["pasted", "room", "admin", "host"];
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
        show(text);
        await loadHosts();
    } catch (error) {
        showError(error);
    }
}

function show(text) {
    const answer = JSON.parse(text);
    showVerdict(byId("verdict"), answer);
    showAnswer(byId("answer"), answer, parseExactly(text));
    byId("verdict").scrollIntoView({ block: "nearest" });
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
    byId("verdict").removeAttribute("class");
    byId("verdict").replaceChildren();
    byId("answer").replaceChildren();
}

function clearAll() {
    running.abort();
    clearAnswer();
    FIELDS.forEach((id) => { byId(id).value = ""; });
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
byId("pasted").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        inspect();
    }
});
byId("clear").addEventListener("click", () => {
    clearAll();
    byId("pasted").focus();
});
addEventListener("pagehide", clearAll);
loadHosts().catch((error) => {
    byId("admin-field").hidden = error.status !== 401;
});
