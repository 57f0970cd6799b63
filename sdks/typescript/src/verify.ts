/**
 * Verifies webhooks by Standard Webhooks 1.0, without a client and without an API key.
 *
 * Invariant: a body is given back only when a signature of a live secret fits it and its time is near.
 */

import { WebhookVerificationError } from "./errors.js";
import type { WebhookEvent } from "./types.js";

/** How old, or how far ahead, a webhook's timestamp may be. */
export const TOLERANCE_SECONDS = 300;

export interface VerifyOptions {
  toleranceSeconds?: number;
}
export type HeadersLike = Headers | Record<string, string | string[] | undefined>;

/** The event of a webhook's raw body, exactly as it was received; while a secret is rotated, give both. */
export async function verify(
  body: string | Uint8Array | ArrayBuffer,
  headers: HeadersLike,
  secret: string | string[],
  { toleranceSeconds = TOLERANCE_SECONDS }: VerifyOptions = {},
): Promise<WebhookEvent> {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((name) => header(headers, `webhook-${name}`));
  if (!/^\d{1,12}$/.test(timestamp!)) throw new WebhookVerificationError("webhook-timestamp is not a number of seconds");
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > toleranceSeconds) throw new WebhookVerificationError("webhook-timestamp is too far from now");
  const payload = typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body);
  const signed = concat(new TextEncoder().encode(`${id}.${timestamp}.`), payload);
  const given = signatures!.split(" ").filter((one) => one.startsWith("v1,")).map((one) => base64(one.slice(3)));
  const { subtle } = await webCrypto();
  let fits = false;
  for (const one of [secret].flat()) {
    const bytes = base64(one.replace(/^whsec_/, ""));
    if (!bytes?.length) throw new WebhookVerificationError("The secret is not base64");
    const key = await subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    // `verify` compares in constant time.
    for (const signature of given) if (signature && (await subtle.verify("HMAC", key, signature, signed))) fits = true;
  }
  if (!fits) throw new WebhookVerificationError("No signature fits");
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch (cause) {
    throw new WebhookVerificationError("The body is not JSON", { cause });
  }
}

function header(headers: HeadersLike, name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  const text = Array.isArray(value) ? value.join(" ") : value;
  if (!text) throw new WebhookVerificationError(`The header ${name} is missing`);
  return text;
}

function base64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

/** Node 18 has it in a module only; the name is no literal, so that no bundler for browsers looks for it. */
async function webCrypto(): Promise<Crypto> {
  const module = "node:crypto";
  return globalThis.crypto ?? (await import(module)).webcrypto;
}
