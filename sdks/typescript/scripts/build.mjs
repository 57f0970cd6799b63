// Type-checks and builds both outputs by plain tsc. Invariant: `dist` holds nothing of an earlier build.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
const compile = (...more) => execFileSync(process.execPath, [tsc, "-p", root, ...more], { stdio: "inherit" });

rmSync(join(root, "dist"), { recursive: true, force: true });
compile();
compile("--module", "commonjs", "--outDir", join(root, "dist", "cjs"));
writeFileSync(join(root, "dist", "cjs", "package.json"), '{ "type": "commonjs" }\n');
