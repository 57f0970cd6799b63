// Assertions that run everywhere: browsers have no node:assert.
export class Failed extends Error {}

export function ok(value, message = "is not so") {
  if (!value) throw new Failed(message);
}

export function equal(given, expected, message = "") {
  const [a, b] = [JSON.stringify(given), JSON.stringify(expected)];
  if (a !== b) throw new Failed(`${message} ${a} is not ${b}`);
}

export function match(text, pattern) {
  ok(pattern.test(text), `${JSON.stringify(text)} does not match ${pattern}`);
}

/** The error that was thrown, of the expected kind. */
export async function throws(work, kind, expected = {}) {
  let thrown;
  try {
    await work();
  } catch (error) {
    thrown = error;
  }
  ok(thrown, "nothing was thrown");
  ok(!kind || thrown instanceof kind, `${thrown?.name}: ${thrown?.message} was thrown, not ${kind?.name}`);
  for (const [name, value] of Object.entries(expected)) equal(thrown[name], value, name);
  return thrown;
}

export async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}
