// Makes tokens with jsonwebtoken: reads token requests from standard input, writes tokens to standard output.
const { readFileSync } = require("node:fs");
const jwt = require("jsonwebtoken");

const { secret, private_key: privateKey, requests } = JSON.parse(readFileSync(0, "utf8"));

const tokens = requests.map(({ algorithm, claims, expires_in: expiresIn }) =>
  jwt.sign(claims, algorithm === "HS256" ? secret : privateKey, {
    algorithm,
    ...(expiresIn === null ? {} : { expiresIn }),
  }),
);

process.stdout.write(JSON.stringify(tokens));
