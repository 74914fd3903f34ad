// What jitsi-meet's web client makes of a URL (base/util/uri.ts), restated for a real JavaScript
// engine. One request a line, one answer a line, both JSON.
//
//   {"name": "Kaffee"}       -> {"form": "kaffee", "assigned": true}
//   {"url": "https://h/a/b"} -> {"target": "/a/b", "room": "b", "tenant": "a", "query": "room=b"}

'use strict';

const EXCLUDED = /[:?#[\]@!$&'()*+,;=></"]/g;

const withoutExcluded = part => part.replace(EXCLUDED, '');

function backendSafe(name) {
    let text = name;

    try {
        text = decodeURIComponent(name);
    } catch {
        // Kept as it is.
    }

    return encodeURIComponent(text.normalize('NFKC').toLowerCase()).toLowerCase();
}

function nameAnswer(name) {
    const form = backendSafe(withoutExcluded(name));
    let text = name;

    try {
        text = decodeURIComponent(name);
    } catch {
        // As above.
    }

    return { form, assigned: !/\p{Cn}/u.test(text) };
}

function urlAnswer(href) {
    const url = new URL(href); // what a browser makes of it
    const parts = url.pathname.split('/').map(withoutExcluded);
    const room = backendSafe(parts.pop());
    const service = new URL('https://meet.example.org/http-bind');

    service.searchParams.append('room', room); // as appendURLParam does

    return {
        target: url.href.slice(url.origin.length),
        room,
        tenant: parts.slice(1).map(backendSafe).join('/'),
        query: service.search.slice(1)
    };
}

require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
    const { name, url } = JSON.parse(line);

    process.stdout.write(`${JSON.stringify(url === undefined ? nameAnswer(name) : urlAnswer(url))}\n`);
});
