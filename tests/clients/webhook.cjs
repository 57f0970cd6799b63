// Verifies `{body, headers, secret}` from standard input by the official package and prints the event.
const { Webhook } = require("standardwebhooks");
const { body, headers, secret } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(new Webhook(secret).verify(body, headers)));
