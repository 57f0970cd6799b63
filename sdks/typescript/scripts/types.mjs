// Makes src/schema.ts of the API's OpenAPI document: each named shape, and the query of each list. With --check it writes nothing and fails where they differ.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "src", "schema.ts");
const document = JSON.parse(readFileSync(join(root, "..", "..", "schemas", "openapi.json"), "utf8"));
/** What other protocols' clients use, what the client turns into exceptions, and what those who run a server ask. */
const LEFT_OUT = /^(ChatCompletion|JsonRpc|Model|OpenAIError|Error$|Problem$|Health$|Readiness$)/;
const HEAD = `/** Made by scripts/types.mjs of the OpenAPI document: change it there. Invariant: nothing here exists at run time. */

/** RFC 3339, a date, or a \`Date\`. */
export type Time = string | Date;
`;

const comment = (text, indent = "") => (text ? `${indent}/** ${text.replaceAll("*/", "*\\/")} */\n` : "");
const quoted = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

/** The type of a schema; `sent` is one of a request, whose times may be `Date`s. */
function type(schema, sent, indent = "") {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf && !schema.properties) return [...new Set(schema.anyOf.map((one) => type(one, sent, indent)))].join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const kinds = [schema.type ?? []].flat();
  return kinds.map((kind) => plain(kind, schema, sent, indent)).join(" | ") || "unknown";
}

function plain(kind, schema, sent, indent) {
  if (kind === "integer") return "number";
  if (kind === "string") return sent && schema.format?.startsWith("date") ? "Time" : "string";
  if (kind === "array") {
    const item = type(schema.items ?? {}, sent, indent);
    return item.includes("|") ? `(${item})[]` : `${item}[]`;
  }
  if (kind !== "object") return kind;
  if (schema.properties) return `{\n${members(schema, sent, indent + "  ")}${indent}}`;
  const values = schema.additionalProperties;
  return `Record<string, ${values && values !== true ? type(values, sent, indent) : "any"}>`;
}

function members(schema, sent, indent) {
  const member = ([name, inner]) => {
    const optional = schema.required?.includes(name) ? "" : "?";
    return `${comment(inner.description, indent)}${indent}${quoted(name)}${optional}: ${type(inner, sent, indent)};\n`;
  };
  return Object.entries(schema.properties).map(member).join("");
}

function shapes() {
  const asked = new Set(Object.values(document.paths).flatMap((methods) => Object.values(methods)).flatMap(bodies));
  const named = Object.entries(document.components.schemas).filter(([name]) => !LEFT_OUT.test(name));
  return named.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, schema]) => {
    const sent = asked.has(name);
    if (!schema.properties) return `${comment(schema.description)}export type ${name} = ${type(schema, sent)};\n`;
    return `${comment(schema.description)}export interface ${name} {\n${members(schema, sent, "  ")}}\n`;
  });
}

const bodies = (operation) => Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => schema.$ref?.split("/").at(-1));

function queries() {
  const operations = Object.entries(document.paths).map(([path, methods]) => [path, methods.get]);
  return operations.flatMap(([path, operation]) => {
    const parameters = (operation?.parameters ?? []).filter((one) => one.in === "query");
    if (!parameters.length || path.startsWith("/api/ai-agent-managers")) return [];
    const schema = { properties: Object.fromEntries(parameters.map((one) => [one.name, { ...one.schema, description: one.description }])) };
    const name = `${operation.operationId[0].toUpperCase()}${operation.operationId.slice(1)}Query`;
    return [`/** GET ${path} */\nexport interface ${name} {\n${members(schema, true, "  ")}}\n`];
  });
}

const made = [HEAD, ...shapes(), ...queries()].join("\n");
if (!process.argv.includes("--check")) writeFileSync(target, made);
else if (readFileSync(target, "utf8") !== made) {
  console.error("src/schema.ts is not current: node scripts/types.mjs");
  process.exit(1);
}
