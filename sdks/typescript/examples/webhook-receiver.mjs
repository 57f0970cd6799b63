// Receives webhooks: verifies the raw body, does each event once, and answers quickly.
//
//   TWIG_WEBHOOK_SECRET=whsec_… node webhook-receiver.mjs [PORT]
// @ts-check
import { createServer } from "node:http";
import { WebhookVerificationError, verifyWebhook } from "twig-ai";

const MAX_BODY_BYTES = 20_000;
const secret = process.env.TWIG_WEBHOOK_SECRET ?? "";

/** Deliveries come at least once. A real receiver keeps these in the transaction of its own work. */
const done = new Set();

/**
 * Belongs into a queue where it takes long: the server waits 15 s at most.
 * @param {import("twig-ai").WebhookEvent} event
 */
function handle(event) {
  console.log(`${event.type} ${event.id}`);
}

const server = createServer(async (request, response) => {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) return void response.writeHead(413).end();
    parts.push(part);
  }
  try {
    // The body as it came: JSON that was parsed and written again has another signature.
    const event = await verifyWebhook(Buffer.concat(parts), request.headers, secret);
    if (!done.has(event.id)) handle(event);
    done.add(event.id);
    response.writeHead(204).end();
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    console.log(`refused: ${error.message}`);
    response.writeHead(400).end();
  }
});

server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  const address = server.address();
  console.log(`receiving on http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
});
