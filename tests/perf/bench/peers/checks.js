'use strict';
// Shared by all Node peers: options from the environment, and the checks after the signature.

const fs = require('node:fs');

const options = {
  algorithm: process.env.ALGORITHM,
  key: fs.readFileSync(process.env.KEY_FILE, 'ascii'),
  issuer: process.env.ISSUER,
  audience: process.env.AUDIENCE,
  port: Number(process.env.PORT),
  cached: process.env.CACHED === 'true',
};

/** Returns the room and the token of the original request. */
function original(headers) {
  const url = new URL(headers['x-original-uri'], 'http://meet');
  return { room: url.pathname.slice(url.pathname.lastIndexOf('/') + 1), token: url.searchParams.get('jwt') };
}

/** Returns whether verified claims open this room. */
function opens(claims, room) {
  return claims.sub !== undefined && claims.exp !== undefined && (claims.room === '*' || claims.room === room);
}

function identity(claims) {
  const user = (claims.context && claims.context.user) || {};
  return {
    'X-Jitsi-Room': encodeURIComponent(claims.room),
    'X-Jitsi-Subject': encodeURIComponent(claims.sub),
    'X-Jitsi-Issuer': encodeURIComponent(claims.iss),
    'X-Jitsi-User-Id': encodeURIComponent(user.id || '-'),
    'X-Jitsi-User-Name': encodeURIComponent(user.name || '-'),
    'X-Jitsi-User-Email': encodeURIComponent(user.email || '-'),
    'X-Jitsi-Moderator': String(Boolean(user.moderator)),
    'X-Jitsi-Expires': String(claims.exp),
  };
}

module.exports = { options, original, opens, identity };
