'use strict';
// Node's own HTTP server and jsonwebtoken.

const http = require('node:http');
const crypto = require('node:crypto');
const jwt = require('jsonwebtoken');
const { options, original, opens, identity } = require('./checks');

const { algorithm, issuer, audience } = options;
const key = algorithm.startsWith('RS')
  ? crypto.createPublicKey(options.key)
  : crypto.createSecretKey(Buffer.from(options.key));

http.createServer({ keepAliveTimeout: 75000 }, (request, response) => {
  const { room, token } = original(request.headers);
  let claims;
  try {
    claims = jwt.verify(token, key, { algorithms: [algorithm], issuer, audience });
  } catch {
    response.writeHead(401).end();
    return;
  }
  if (!opens(claims, room)) {
    response.writeHead(403).end();
    return;
  }
  response.writeHead(200, identity(claims)).end();
}).listen(options.port, '127.0.0.1');
