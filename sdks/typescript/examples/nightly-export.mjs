// Writes a day's interactions to a file of JSON lines; a cut export leaves no file. For a nightly job.
//
//   TWIG_API_KEY=… node nightly-export.mjs FOLDER [YYYY-MM-DD]      (yesterday, UTC, when no day is given)
// @ts-check
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Twig } from "twig-ai";

const DAY_MS = 86_400_000;

const twig = new Twig();
const [folder = ".", day = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10)] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const target = join(folder, `interactions-${day}.ndjson`);
const part = `${target}.part`;
const file = await open(part, "w");
let count = 0;
try {
  for await (const interaction of twig.interactions.export({ startDate: day, endDate: day })) {
    await file.write(`${JSON.stringify(interaction)}\n`);
    count += 1;
  }
  await file.close();
  // Only a whole export gets its name.
  await rename(part, target);
} finally {
  await rm(part, { force: true });
}
console.log(`${count} interactions in ${target}`);
