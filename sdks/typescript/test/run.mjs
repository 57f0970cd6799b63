// Runs the suite in Node, Deno or Bun: the context comes in TWIG_TEST, each result goes out as a line of JSON.
import { run } from "./suite.mjs";

await run(JSON.parse(process.env.TWIG_TEST), new URL("../dist/esm", import.meta.url).href, (result) => console.log(JSON.stringify(result)));
