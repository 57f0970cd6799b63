// Checks a proof in the browser, trusting nothing but the verifier's key: the event's leaf hash (RFC 8785, RFC 6962 §2.1), its way to the root (RFC 9162
// §2.1.3.2), and the checkpoint's signature (C2SP signed note, Ed25519).
import type { AuditEvent, AuditProof } from "twig-ai";

export interface Finding {
  what: string;
  holds: boolean;
  detail: string;
}

const LEAF = 0;
const NODE = 1;
const ED25519 = 1;
const KEY_HASH_BYTES = 4;

export async function verify(event: AuditEvent, proof: AuditProof, verifierKey: string): Promise<Finding[]> {
  if (!globalThis.crypto?.subtle)
    throw new Error("The browser gives cryptography to https and localhost pages only. Check it with `twig audit verify` instead.");
  const leaf = await leafHash(event);
  const note = parseNote(proof.checkpoint);
  const root = await rootOf(proof, leaf);
  return [
    { what: "The event is the one that was hashed", holds: base64(leaf) === event.hash && event.hash === proof.leafHash, detail: base64(leaf) },
    {
      what: `The proof leads to the root of a tree of ${proof.treeSize} events`,
      holds: root !== undefined && base64(root) === note.root && note.size === proof.treeSize,
      detail: note.root,
    },
    { what: "The checkpoint is signed by the server's key", holds: await signed(note, verifierKey), detail: note.origin },
  ];
}

/** RFC 8785: members by their UTF-16 code units; numbers and strings as ECMAScript writes them. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value && typeof value === "object")
    return `{${Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`)
      .join(",")}}`;
  return JSON.stringify(value);
}

const utf8 = new TextEncoder();
const sha256 = async (...parts: Uint8Array[]) => new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(parts as BlobPart[]).arrayBuffer()));
const bytesOf = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));

function leafHash({ hash: _, ...rest }: AuditEvent): Promise<Uint8Array> {
  return sha256(Uint8Array.of(LEAF), utf8.encode(canonical(rest)));
}

async function rootOf({ leafIndex, treeSize, hashes }: AuditProof, leaf: Uint8Array): Promise<Uint8Array | undefined> {
  if (leafIndex >= treeSize) return undefined;
  let [fn, sn, root] = [leafIndex, treeSize - 1, leaf];
  for (const hash of hashes) {
    if (sn === 0) return undefined;
    const sibling = bytesOf(hash);
    if (fn % 2 === 1 || fn === sn) {
      root = await sha256(Uint8Array.of(NODE), sibling, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else {
      root = await sha256(Uint8Array.of(NODE), root, sibling);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 ? root : undefined;
}

interface Note {
  text: string;
  origin: string;
  size: number;
  root: string;
  signatures: { name: string; value: Uint8Array }[];
}

function parseNote(note: string): Note {
  const end = note.lastIndexOf("\n\n");
  const text = note.slice(0, end + 1);
  const [origin = "", size = "", root = ""] = text.split("\n");
  const lines = note
    .slice(end + 2)
    .split("\n")
    .filter((line) => line.startsWith("— "));
  return {
    text,
    origin,
    size: Number(size),
    root,
    signatures: lines.map((line) => {
      const [, name = "", value = ""] = line.split(" ");
      return { name, value: bytesOf(value) };
    }),
  };
}

/** The verifier's key is `name+hash+key`; base64 may hold a `+` of its own. */
async function signed(note: Note, verifierKey: string): Promise<boolean> {
  const [name, hash, ...rest] = verifierKey.trim().split("+");
  const key = bytesOf(rest.join("+"));
  if (key[0] !== ED25519) return false;
  const own = note.signatures.find((one) => one.name === name && hex(one.value.slice(0, KEY_HASH_BYTES)) === hash);
  if (!own) return false;
  const imported = await crypto.subtle.importKey("raw", key.slice(1), { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, own.value.slice(KEY_HASH_BYTES), utf8.encode(note.text));
}

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
