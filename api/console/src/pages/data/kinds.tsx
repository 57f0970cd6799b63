// The types of data sources and the form of each one's `config`.
import type { ComponentChildren } from "preact";
import type { DataSpecType } from "twig-ai";
import { Area, Text, listOf, textOf } from "../../ui/form";

export const KINDS: Record<DataSpecType, { name: string; about: string; upload: boolean }> = {
  file: { name: "Files", about: "PDF, Word, PowerPoint, Excel, HTML, Markdown, text, JSON, or a ZIP of these", upload: true },
  website: { name: "Web site", about: "Pages of one host, link by link", upload: false },
  sitemap: { name: "Sitemap", about: "Every page that a sitemap lists", upload: false },
  text: { name: "Text", about: "A text that you paste here", upload: false },
  qna_csv: { name: "Questions and answers", about: "CSV with the columns Question and Answer", upload: true },
  csv: { name: "Table", about: "CSV, each row a document", upload: true },
  bucket: { name: "Bucket", about: "Objects of S3, Google Cloud or Azure storage", upload: false },
};
export const ACCEPT: Partial<Record<DataSpecType, string>> = {
  file: ".pdf,.docx,.pptx,.xlsx,.html,.htm,.md,.txt,.csv,.json,.zip",
  qna_csv: ".csv",
  csv: ".csv",
};

type Config = Record<string, any>;

export function ConfigFields({ type, config = {} }: { type: DataSpecType; config?: Config }) {
  const text = (name: string, label: string, more: object = {}) => (
    <Text key={name} name={`config.${name}`} pointer={`/config/${name}`} label={label} value={config[name]} {...more} />
  );
  if (type === "text") {
    return (
      <>
        {text("title", "Title")}
        <Area name="config.content" pointer="/config/content" label="Text" value={config.content} rows={10} required />
      </>
    );
  }
  if (type === "website") {
    return (
      <>
        {text("url", "Address to begin at", { type: "url", required: true, placeholder: "https://docs.example.com/" })}
        <div class="grid-2">
          {text("maxDepth", "Links deep", { type: "number", min: 0, max: 20, placeholder: "3" })}
          {text("maxPages", "Most pages", { type: "number", min: 1, placeholder: "1000" })}
          {text("requestsPerSecond", "Requests a second", { type: "number", min: 0, step: "0.1", placeholder: "1" })}
        </div>
        <div class="grid-2">
          <Area
            name="config.include"
            pointer="/config/include"
            label="Only these paths"
            hint="One a line, * as a wildcard."
            value={config.include?.join("\n")}
            rows={2}
          />
          <Area name="config.exclude" pointer="/config/exclude" label="Not these paths" value={config.exclude?.join("\n")} rows={2} />
        </div>
      </>
    );
  }
  if (type === "sitemap") return text("url", "Address of the sitemap", { type: "url", required: true, placeholder: "https://example.com/sitemap.xml" });
  if (type === "bucket") return <BucketFields text={text} />;
  if (type === "csv" || type === "qna_csv") return text("url", "Address of the CSV", { type: "url", hint: "Leave empty to upload files instead." });
  return null;
}

function BucketFields({ text }: { text: (name: string, label: string, more?: object) => ComponentChildren }) {
  return (
    <>
      {text("url", "Address of the bucket", { required: true, placeholder: "s3://bucket" })}
      <div class="grid-2">
        {text("prefix", "Prefix")}
        {text("endpoint", "Endpoint", { type: "url" })}
        {text("accessKeyId", "Access key id", { autocomplete: "off" })}
        {text("secretAccessKey", "Secret access key", { type: "password", autocomplete: "off", hint: "Stored encrypted and never shown again." })}
      </div>
    </>
  );
}

const NUMBERS = ["maxDepth", "maxPages", "requestsPerSecond"];
const LISTS = ["include", "exclude"];

/** What was filled in; an empty field is left out. */
export function configOf(data: FormData): Config {
  const config: Config = {};
  for (const key of data.keys()) {
    if (!key.startsWith("config.")) continue;
    const name = key.slice("config.".length);
    const text = name === "content" ? String(data.get(key)) : textOf(data, key);
    if (text) config[name] = NUMBERS.includes(name) ? Number(text) : LISTS.includes(name) ? listOf(text) : text;
  }
  return config;
}
