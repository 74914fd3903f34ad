// The three parts of a token, each in its colour. The page decodes them itself while the token is pasted.

import { element } from "./inspector-answer.js";
import { bothTimes, parseExactly, pretty, relative } from "./inspector-words.js";

// Base64url of `{"`, `{ `, or `{` and a line break: how a header begins.
const TOKEN = /(?:eyJ|eyA|ewo|ew0K)[\w-]*\.[\w-]*(?:\.[\w-]*)?/;
const SHOWN = 20; // characters of the encoded header and claims
const DATE = /^ {2}"(exp|iat|nbf)": (-?\d+(?:\.\d+)?),?$/;
const WORDS = {
    exp: ["expires in", "expired"],
    iat: ["issued in", "issued"],
    nbf: ["valid in", "started"],
};

// Return the parts of the token in a pasted text; undefined if there is none.
export function findToken(pasted) {
    const parts = TOKEN.exec(pasted)?.[0].split(".");
    return parts && { parts, header: decode(parts[0]), claims: decode(parts[1]) };
}

// Return the JSON object of a part, and null if it cannot be decoded.
function decode(part) {
    try {
        const characters = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
        const bytes = Uint8Array.from(characters, (character) => character.charCodeAt(0));
        const value = parseExactly(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
        return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
    } catch {
        return null;
    }
}

/**
 * Show the parts of a token.
 * @param token {header, claims, verified?}; `verified` once the verifier has answered.
 * @param parts the encoded parts; undefined if the page has not found them.
 * @param now the time from which dates are told, Unix seconds.
 */
export function showToken(parent, token, parts, now) {
    parent.replaceChildren(
        ...(parts ? [element("section", { "aria-label": "Token" }, encoded(parts))] : []),
        part("Header", "header", ...json("Header", token.header, now)),
        part("Claims", "claims", ...json("Claims", token.claims, now), ...noExpiry(token.claims)),
        part("Signature", "signature", element("p", {}, signatureWords(token, parts))),
    );
}

// The signature is not repeated: a picture of this page opens no room.
function encoded([header, claims, signature]) {
    const line = element("p", { class: "token" });
    [["header", header], ["claims", claims], ["signature", signature && "•".repeat(6)]].forEach(([name, text], index) => {
        if (text !== undefined) {
            line.append(index ? "." : "", element("span", { class: name }, shortened(text)));
        }
    });
    return line;
}

const shortened = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

function part(title, name, ...children) {
    return element("section", { class: `part ${name}` }, element("h2", {}, title), ...children);
}

function json(title, value, now) {
    if (value === null) {
        return [element("p", {}, "This part cannot be decoded.")];
    }
    const lines = pretty(value).split("\n").flatMap((line, index) => [index ? "\n" : "", line, ...beside(line, now)]);
    return [element("pre", { "tabindex": "0", "role": "region", "aria-label": `${title}, decoded` }, ...lines)];
}

// Beside a claim that is a time: how far away it is, and the time here and in UTC.
function beside(line, now) {
    const [, claim, number] = DATE.exec(line) ?? [];
    if (!claim) {
        return [];
    }
    const seconds = Number(number);
    const [ahead, behind] = WORDS[claim];
    const late = claim !== "iat" && (claim === "exp" ? seconds <= now : seconds > now);
    const words = element("strong", late ? { class: "late" } : {}, relative(seconds, now, ahead, behind));
    const times = bothTimes(seconds).map((time) => element("time", {}, time));
    return [element("span", { class: "beside" }, "  ", words, "\n      ", ...times.flatMap((time) => [time, " "]))];
}

function noExpiry(claims) {
    if (claims === null || typeof claims.exp === "number" || JSON.isRawJSON?.(claims.exp)) {
        return [];
    }
    const words = "exp" in claims ? "exp is no number." : "There is no exp claim: the token never expires.";
    return [element("p", {}, words)];
}

function signatureWords(token, parts) {
    if (token.verified !== undefined) {
        return token.verified
            ? "✓ Good: a key of this verifier made it."
            : "✗ The signature has not been verified: any program could have written this token.";
    }
    return parts?.[2] ? "Checked when you press Inspect." : "There is none.";
}
