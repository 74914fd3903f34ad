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

// Without Content-Length, nginx would have to close the connection.
function answer(response, status, headers) {
  response.writeHead(status, { ...headers, 'Content-Length': 0 }).end();
}

http.createServer({ keepAliveTimeout: 75000 }, (request, response) => {
  const { room, token } = original(request.headers);
  let claims;
  try {
    claims = jwt.verify(token, key, { algorithms: [algorithm], issuer, audience });
  } catch {
    answer(response, 401);
    return;
  }
  if (!opens(claims, room)) {
    answer(response, 403);
    return;
  }
  answer(response, 200, identity(claims));
}).listen(options.port, '127.0.0.1');
