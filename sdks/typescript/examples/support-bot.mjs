// A support bot on the terminal: streamed answers, one session for the conversation, sources below each answer.
//
//   TWIG_API_KEY=… TWIG_AGENT_ID=agent_… node support-bot.mjs
// @ts-check
import { createInterface } from "node:readline";
import { APIError, Twig } from "twig-ai";

const twig = new Twig();
const agentId = process.env.TWIG_AGENT_ID ?? "";
/** @type {string | undefined} */
let sessionId;

for await (const line of createInterface({ input: process.stdin })) {
  const prompt = line.trim();
  if (!prompt) continue;
  try {
    const stream = twig.chat.stream({ prompt, agentId, sessionId });
    for await (const event of stream) {
      if (event.type === "message.delta") process.stdout.write(event.text);
      if (event.type !== "message.completed") continue;
      console.log();
      for (const source of event.sources) console.log(`  [${source.index}] ${source.documentTitle} (${source.documentUrl})`);
    }
    sessionId = stream.sessionId;
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    // The conversation goes on; the request id is what an operator needs to find the cause.
    console.log(`Sorry, that failed: ${error.message} (request ${error.requestId})`);
  }
}
