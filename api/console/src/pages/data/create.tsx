// A new data source: what it is, what is in it, and its first run.
import { useState } from "preact/hooks";
import type { DataSpecType } from "twig-ai";
import { go, to } from "../../place";
import { twig } from "../../session";
import { Head, toast } from "../../ui/basics";
import { Area, Choice, Form, Text, listOf, textOf, textOrNull } from "../../ui/form";
import { ACCEPT, ConfigFields, KINDS, configOf } from "./kinds";
import { Drop, upload } from "./upload";

export const SCHEDULES: [string, string][] = [
  ["manual", "Only when asked"],
  ["hourly", "Every hour"],
  ["daily", "Every day"],
  ["weekly", "Every week"],
];

export function NewData() {
  const [type, setType] = useState<DataSpecType>("file");
  const [files, setFiles] = useState<File[]>([]);
  /** Made by an earlier try whose upload failed: it is used again instead of making another. */
  const [made, setMade] = useState<string>();
  const submit = async (data: FormData) => {
    const config = configOf(data);
    const id =
      made ??
      (
        await twig().dataSpecs.create({
          name: textOf(data, "name"),
          description: textOrNull(data, "description"),
          type,
          config,
          syncSchedule: textOf(data, "syncSchedule") as "manual",
          tags: listOf(data.get("tags")),
        })
      ).id;
    setMade(id);
    if (files.length) await upload(id, files);
    if (files.length || !KINDS[type].upload || config.url) await twig().dataSpecs.process(id);
    toast("The data source was added.");
    go(to(`/data/${id}`));
  };
  return (
    <>
      <Head title="New data source" crumb={["Data", to("/data")]} />
      <Form label="Add data source" name="New data source" submit={submit} cancel={() => go(to("/data"))}>
        <section class="card">
          <fieldset>
            <legend>Where is it from?</legend>
            <div class="choices">
              {(Object.keys(KINDS) as DataSpecType[]).map((kind) => (
                <label key={kind} class="choice">
                  <input
                    type="radio"
                    name="type"
                    value={kind}
                    defaultChecked={kind === type}
                    onChange={() => {
                      setType(kind);
                      setFiles([]);
                    }}
                    disabled={!!made}
                  />
                  <span class="strong">{KINDS[kind].name}</span>
                  <span class="small muted">{KINDS[kind].about}</span>
                </label>
              ))}
            </div>
          </fieldset>
        </section>
        <section class="card">
          <Text name="name" label="Name" required maxLength={120} />
          <div key={type} class="form">
            <ConfigFields type={type} />
            {KINDS[type].upload && <Drop accept={ACCEPT[type]} files={files} take={(more) => setFiles([...files, ...more])} />}
          </div>
          <details>
            <summary>More</summary>
            <div class="form">
              <Area name="description" label="Description" rows={2} maxLength={2000} />
              <div class="grid-2">
                <Choice name="syncSchedule" label="Read again" value="manual" options={SCHEDULES} />
                <Text name="tags" label="Tags" hint="Separated by commas." />
              </div>
            </div>
          </details>
        </section>
      </Form>
    </>
  );
}
