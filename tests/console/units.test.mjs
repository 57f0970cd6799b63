// The console's own arithmetic: differences, quotations, ranges, files, proofs. Its modules are loaded as they are, by its own Vite.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../api/console", import.meta.url));
let vite, load;

before(async () => {
  const { createServer } = await import(`${root}/node_modules/vite/dist/node/index.js`);
  vite = await createServer({ root, server: { middlewareMode: true, hmr: false, ws: false }, appType: "custom", logLevel: "error" });
  load = (path) => vite.ssrLoadModule(`/src/${path}`);
});
after(() => vite?.close());

test("a text's change is told line by line", async () => {
  const { lineDiff } = await load("ui/diff.tsx");
  assert.deepEqual(lineDiff("a\nb\nc", "a\nx\nc\nd"), [
    ["=", "a"],
    ["-", "b"],
    ["+", "x"],
    ["=", "c"],
    ["+", "d"],
  ]);
  assert.deepEqual(lineDiff("same", "same"), [["=", "same"]]);
});

test("what an answer took from a passage is found, whatever the white space and wherever the marker stands", async () => {
  const { quoted } = await load("conversation/passage.ts");
  const passage = "Intro. Refunds are paid\n  within 30 days. Gift cards are never refunded.";
  const marked = (answer, index = 1) => quoted(passage, answer, index).map(([start, end]) => passage.slice(start, end));
  assert.deepEqual(marked("Refunds are paid within 30 days. [1]"), ["Refunds are paid\n  within 30 days."]);
  assert.deepEqual(marked("Refunds are paid within 30 days [1]. Gift cards are never refunded [1]."), [
    "Refunds are paid\n  within 30 days",
    "Gift cards are never refunded",
  ]);
  assert.deepEqual(marked("Refunds are paid within 30 days. [2]"), []);
  assert.deepEqual(marked("Nothing of it (at all) [1]"), []);
});

test("a cell that a spreadsheet would run is kept from it, a number stays one", async () => {
  const { csv } = await load("files.ts");
  assert.equal(csv([["=1+1", 'say "hi"', -5, null]]), `'=1+1,"say ""hi""",-5,\r\n`);
});

test("a relative range ends today in the chosen zone and has as many local days as it says", async () => {
  const { paramsOf } = await load("pages/dashboard/range.ts");
  const now = new Date("2026-03-29T23:30:00Z");
  const asked = (preset, zone) => paramsOf({ preset, zone }, now);
  assert.deepEqual([asked("7d", "UTC").startDate, asked("7d", "UTC").endDate], ["2026-03-23", "2026-03-29"]);
  assert.deepEqual([asked("7d", "Europe/Berlin").startDate, asked("7d", "Europe/Berlin").endDate], ["2026-03-24", "2026-03-30"]);
  assert.equal(asked("1d", "UTC").endDate - asked("1d", "UTC").startDate, 86_400_000);
});

test("a bucket leads to just its own moments, the first one cut by the range", async () => {
  const { drill } = await load("pages/dashboard/drill.ts");
  const dashboard = {
    range: { start: "2026-03-25T00:00:00+01:00", end: "2026-04-01T00:00:00+02:00" },
    charts: { interactions: [{ start: "2026-03-23T00:00:00+01:00" }, { start: "2026-03-30T00:00:00+02:00" }] },
  };
  const at = (place) => {
    const { startDate, endDate } = drill(dashboard, { agentId: "a" }, {}, place);
    return [startDate, endDate];
  };
  assert.deepEqual(at(0), ["2026-03-24T23:00:00.000Z", "2026-03-29T22:00:00.000Z"]);
  assert.deepEqual(at(1), ["2026-03-29T22:00:00.000Z", "2026-03-31T22:00:00.000Z"]);
});

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const node = (left, right) => sha256(Buffer.from([1]), left, right);

/** A tree of five events, the proof of one, and a checkpoint signed by a key made here. */
function proven(canonical) {
  const events = [0, 1, 2, 3, 4].map((n) => ({ id: `evt_${n}`, position: n, changes: [{ path: "/ä", to: 1.5e21, from: null }] }));
  const leaves = events.map((event) => sha256(Buffer.from([0]), Buffer.from(canonical(event))));
  const [left, right] = [node(leaves[0], leaves[1]), node(leaves[2], leaves[3])];
  const root = node(node(left, right), leaves[4]);
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.concat([Buffer.from([1]), publicKey.export({ format: "der", type: "spki" }).subarray(-32)]);
  const hash = sha256(Buffer.from("twig/org\n"), raw).subarray(0, 4);
  const text = `twig/org\n5\n${root.toString("base64")}\n`;
  const checkpoint = `${text}\n— twig/org ${Buffer.concat([hash, sign(null, Buffer.from(text), privateKey)]).toString("base64")}\n`;
  const hashes = [leaves[3], left, leaves[4]].map((one) => one.toString("base64"));
  const leafHash = leaves[2].toString("base64");
  return {
    event: { ...events[2], hash: leafHash },
    proof: { leafIndex: 2, treeSize: 5, leafHash, hashes, checkpoint },
    key: `twig/org+${hash.toString("hex")}+${raw.toString("base64")}`,
  };
}

test("a proof holds, and does not when the event, the path, the checkpoint or the key is another", async () => {
  const { canonical, verify } = await load("pages/audit/verify.ts");
  assert.equal(canonical({ b: [1, 1e21], a: "é\n" }), '{"a":"é\\n","b":[1,1e+21]}');
  const { event, proof, key } = proven(canonical);
  const holds = async (...given) => (await verify(...given)).map((finding) => finding.holds);
  assert.deepEqual(await holds(event, proof, key), [true, true, true]);
  assert.deepEqual(await holds({ ...event, position: 9 }, proof, key), [false, false, true]);
  assert.deepEqual(await holds(event, { ...proof, hashes: proof.hashes.toReversed() }, key), [true, false, true]);
  assert.deepEqual(await holds(event, { ...proof, checkpoint: proof.checkpoint.replace("\n5\n", "\n6\n") }, key), [true, false, false]);
  assert.deepEqual(await holds(event, proof, proven(canonical).key), [true, true, false]);
});
