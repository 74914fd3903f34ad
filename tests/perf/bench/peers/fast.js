'use strict';
// fastify and fast-jwt, with or without its token cache.

const { createVerifier } = require('fast-jwt');
const { options, original, opens, identity } = require('./checks');

const fastify = require('fastify')({ keepAliveTimeout: 75000 });
const verify = createVerifier({
  key: options.key,
  algorithms: [options.algorithm],
  allowedIss: options.issuer,
  allowedAud: options.audience,
  cache: options.cached ? 50000 : false,
});

fastify.get('/auth', (request, reply) => {
  const { room, token } = original(request.headers);
  let claims;
  try {
    claims = verify(token);
  } catch {
    reply.code(401).send();
    return;
  }
  if (!opens(claims, room)) {
    reply.code(403).send();
    return;
  }
  reply.headers(identity(claims)).send();
});

fastify.listen({ port: options.port, host: '127.0.0.1' });
