// A token to try the page with. It has expired, and no key made its signature: it opens nothing.

const SIGNATURE = "this is the signature of no key."; // 32 bytes, as long as that of HS256

const encode = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// Return a join URL with such a token.
export function sampleUrl(host) {
    const issued = Math.floor(Date.now() / 1000) - 86400;
    const claims = {
        iss: "booking-site",
        aud: "jitsi",
        sub: host,
        room: "standup",
        iat: issued,
        nbf: issued,
        exp: issued + 3600,
        context: { user: { name: "Ada Lovelace", moderator: true }, features: { recording: true } },
    };
    const parts = [JSON.stringify({ typ: "JWT", alg: "HS256" }), JSON.stringify(claims), SIGNATURE];
    return `https://${host}/standup?jwt=${parts.map(encode).join(".")}`;
}
