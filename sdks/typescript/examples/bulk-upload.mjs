// Uploads a folder into a data spec, some files at a time, and waits until they can be asked about.
//
//   TWIG_API_KEY=… node bulk-upload.mjs FOLDER [DATA_SPEC_ID]
// @ts-check
import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Twig } from "twig-ai";

const FILES_PER_REQUEST = 20;
const REQUESTS_AT_ONCE = 4;

const twig = new Twig();
const [folder = ".", given] = process.argv.slice(2);
const id = given ?? (await twig.dataSpecs.create({ name: basename(folder), type: "file" })).id;
const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => entry.name).sort();
const batches = Array.from({ length: Math.ceil(names.length / FILES_PER_REQUEST) }, (_, n) => names.slice(n * FILES_PER_REQUEST, (n + 1) * FILES_PER_REQUEST));

async function send() {
  for (let batch; (batch = batches.shift()); ) {
    const files = await Promise.all(batch.map(async (name) => ({ name, data: await readFile(join(folder, name)) })));
    for (const document of await twig.dataSpecs.uploadFiles(id, files)) console.log(`uploaded ${document.name} (${document.bytes} bytes)`);
  }
}

await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, send));
const started = await twig.dataSpecs.process(id);
const run = await twig.dataSpecs.waitForRun(id, started.id, {
  onProgress: ({ status, progress }) => console.log(`${status}: ${progress.documentsDone} of ${progress.documentsSeen} documents`),
});
for (const error of run.errors) console.error(`${error.documentUrl}: ${error.message}`);
process.exitCode = run.status === "succeeded" && !run.errors.length ? 0 : 1;
