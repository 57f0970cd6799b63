// A streamed conversation of two turns, the models, and an error, by the official `openai` package.
const assert = require("node:assert");
const OpenAI = require("openai");

async function main() {
  const { TWIG_URL, TWIG_KEY, TWIG_AGENT } = process.env;
  const client = new OpenAI({ apiKey: TWIG_KEY, baseURL: `${TWIG_URL}/v1`, maxRetries: 0 });
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert(ids.includes(TWIG_AGENT));

  const messages = [{ role: "user", content: "When are refunds paid?" }];
  const texts = [];
  for (const following of ["And what of gifts?", ""]) {
    let text = "";
    let usage;
    const stream = await client.chat.completions.create({ model: TWIG_AGENT, messages, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert(usage.total_tokens > 0);
    texts.push(text);
    messages.push({ role: "assistant", content: text }, { role: "user", content: following });
  }
  assert.match(texts[0], /30 days/);
  assert.match(texts[1], /60 days/);

  const whole = await client.chat.completions.create({ model: TWIG_AGENT, messages: messages.slice(0, 1) });
  assert.match(whole.choices[0].message.content, /30 days/);
  await assert.rejects(client.chat.completions.create({ model: "nobody", messages: messages.slice(0, 1) }), (error) => {
    assert(error instanceof OpenAI.NotFoundError);
    assert.equal(error.type, "invalid_request_error");
    return true;
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
