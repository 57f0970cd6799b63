// Erasing what one person said. The key of their text is destroyed: it can't be undone, so the id is asked for twice.
import { useState } from "preact/hooks";
import type { ErasureRequest, Job } from "twig-ai";
import { twig } from "../../session";
import { Badge, Copy } from "../../ui/basics";
import { Dialog } from "../../ui/dialog";
import { Choice, Form, Text, textOf } from "../../ui/form";

const KINDS: [string, string][] = [
  ["userId", "A user"],
  ["sessionId", "A session"],
  ["interactionId", "One interaction"],
];

export function Erasure() {
  const [asked, setAsked] = useState<{ kind: string; id: string }>();
  const [job, setJob] = useState<Job>();
  return (
    <section class="card" aria-label="Erasure">
      <h2>Erase personal text</h2>
      <p class="muted">
        Questions, answers and comments of a user, a session or one interaction become unreadable for good, here and in every backup. Figures and the audit log
        stay valid.
      </p>
      <Form danger label="Erase…" name="Erase personal text" submit={async (data) => setAsked({ kind: textOf(data, "kind"), id: textOf(data, "id") })}>
        <div class="grid-2">
          <Choice name="kind" label="What" options={KINDS} />
          <Text name="id" label="Its id" required pointer="/userId" />
        </div>
      </Form>
      {asked && (
        <Confirm
          asked={asked}
          close={() => setAsked(undefined)}
          begun={(begun) => {
            setAsked(undefined);
            setJob(begun);
          }}
        />
      )}
      {job && <Receipt job={job} />}
    </section>
  );
}

function Confirm({ asked: { kind, id }, close, begun }: { asked: { kind: string; id: string }; close: () => void; begun: (job: Job) => void }) {
  const erase = async (data: FormData) => {
    if (textOf(data, "again") !== id) throw new Error("That is not the same id.");
    const job = await twig().privacy.erasures.create({ [kind]: id } as ErasureRequest);
    begun(job);
    begun(await twig().privacy.erasures.wait(job.id));
  };
  return (
    <Dialog title="Erase for good?" close={close}>
      <p class="muted">
        Everything that <b class="wrap">{id}</b> said becomes unreadable. Nobody can undo this.
      </p>
      <Form danger label="Erase for good" cancel={close} submit={erase}>
        <Text name="again" label="Type the id again" required autocomplete="off" />
      </Form>
    </Dialog>
  );
}

function Receipt({ job }: { job: Job }) {
  return (
    <div class="note" role="status">
      <p>
        <Badge of={job.status} /> <Copy text={job.id} />
      </p>
      {job.result && (
        <details>
          <summary>Receipt</summary>
          <pre class="code soft" tabIndex={0}>
            {JSON.stringify(job.result, null, 2)}
          </pre>
        </details>
      )}
    </div>
  );
}
