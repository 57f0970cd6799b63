// API keys: made, given a new secret, revoked. A secret is shown once.
import { useState } from "preact/hooks";
import type { ApiKey, Scope } from "twig-ai";
import { time } from "../../format";
import { useList } from "../../load";
import { twig } from "../../session";
import { Empty, Secret, When, toast } from "../../ui/basics";
import { Ask, Dialog } from "../../ui/dialog";
import { Check, Choice, Form, Text, textOf } from "../../ui/form";
import { List } from "../../ui/list";

const SCOPES: [Scope, string][] = [
  ["chat", "Ask, search, give feedback"],
  ["agents:read", "See agents"],
  ["agents:write", "Create and change agents"],
  ["agents:delete", "Delete agents"],
  ["data:read", "See data sources"],
  ["data:write", "Create, change and run data sources"],
  ["analytics:read", "See the dashboard and interactions"],
  ["webhooks:write", "See and change webhooks"],
  ["audit:read", "See the audit log"],
  ["admin", "Everything, keys too"],
];
const DAY_MS = 86_400_000;
const EXPIRIES: [string, string][] = [
  ["", "Never"],
  ["30", "In 30 days"],
  ["90", "In 90 days"],
  ["365", "In a year"],
];
const OVERLAPS: [string, string][] = [
  ["0", "The old one ends now"],
  ["3600", "An hour"],
  ["86400", "A day"],
  ["604800", "A week"],
];

export function Keys() {
  const list = useList<ApiKey>((cursor, signal) => twig().apiKeys.list({ limit: 50, cursor }, { signal }), [], true);
  return (
    <section class="form" aria-label="API keys">
      <div class="card-head">
        <h2>API keys</h2>
        <NewKey done={list.reload} />
      </div>
      <List
        of={list}
        what="API keys"
        id={(row) => row.id}
        empty={<Empty icon="settings" title="No key" />}
        columns={[
          {
            head: "Name",
            cell: (row) => (
              <>
                <span class="strong wrap">{row.name}</span>
                <span class="sub">
                  …{row.lastFour}
                  {row.test ? " · test" : ""}
                </span>
              </>
            ),
          },
          {
            head: "Scopes",
            cell: (row) => (
              <span class="tags">
                {row.scopes.map((scope) => (
                  <span key={scope} class="tag">
                    {scope}
                  </span>
                ))}
              </span>
            ),
          },
          { head: "Ends", wide: true, cell: (row) => (row.expiresAt ? time(row.expiresAt) : "Never") },
          { head: "Made", wide: true, cell: (row) => <When at={(row as ApiKey & { createdAt?: string }).createdAt} /> },
          { head: "Change", cell: (row) => <KeyActs of={row} done={list.reload} /> },
        ]}
      />
    </section>
  );
}

function KeyActs({ of: key, done }: { of: ApiKey; done: () => void }) {
  const revoke = async () => {
    await twig().apiKeys.revoke(key.id);
    toast(`${key.name} was revoked.`);
    done();
  };
  return (
    <span class="buttons">
      <RotateKey of={key} done={done} />
      <Ask
        label="Revoke"
        small
        title={`Revoke ${key.name}?`}
        keep="Keep it"
        question="Whatever uses it is refused at once. This can't be undone. If you are signed in with it, you are signed out."
        act={revoke}
      />
    </span>
  );
}

function RotateKey({ of: key, done }: { of: ApiKey; done: () => void }) {
  const [state, setState] = useState<{ open?: boolean; secret?: string }>({});
  const close = () => {
    setState({});
    done();
  };
  const submit = async (data: FormData) => {
    const after = await twig().apiKeys.rotate(key.id, { overlapSeconds: Number(textOf(data, "overlap")) });
    setState({ open: true, secret: after.key });
  };
  return (
    <>
      <button type="button" class="button small" onClick={() => setState({ open: true })} aria-label={`Rotate ${key.name}`}>
        Rotate
      </button>
      {state.open && (
        <Dialog title={`Rotate ${key.name}`} close={close}>
          {state.secret ? (
            <Shown secret={state.secret} close={close} />
          ) : (
            <Form label="Rotate" cancel={close} submit={submit}>
              <p class="muted">It gets a new secret. The old one works until the overlap ends; if you are signed in with it, sign in with the new one.</p>
              <Choice name="overlap" label="Both work for" value="86400" options={OVERLAPS} />
            </Form>
          )}
        </Dialog>
      )}
    </>
  );
}

function NewKey({ done }: { done: () => void }) {
  const [state, setState] = useState<{ open?: boolean; secret?: string }>({});
  const close = () => {
    setState({});
    done();
  };
  const submit = async (data: FormData) => {
    const days = Number(textOf(data, "days"));
    const scopes = data.getAll("scope").map(String) as Scope[];
    if (!scopes.length) throw new Error("Choose at least one scope.");
    const made = await twig().apiKeys.create({
      name: textOf(data, "name"),
      scopes,
      test: data.has("test"),
      ...(days ? { expiresAt: new Date(Date.now() + days * DAY_MS) } : {}),
    });
    setState({ open: true, secret: made.key });
  };
  return (
    <>
      <button type="button" class="button primary" onClick={() => setState({ open: true })}>
        Create a key
      </button>
      {state.open && (
        <Dialog title="New API key" close={close}>
          {state.secret ? (
            <Shown secret={state.secret} close={close} />
          ) : (
            <Form label="Create key" cancel={close} submit={submit}>
              <Text name="name" label="Name" required maxLength={120} placeholder="What it is for" />
              <fieldset>
                <legend>It may</legend>
                {SCOPES.map(([scope, about]) => (
                  <Check
                    key={scope}
                    name="scope"
                    value={scope}
                    label={
                      <>
                        <code>{scope}</code> <span class="muted small">{about}</span>
                      </>
                    }
                  />
                ))}
              </fieldset>
              <div class="grid-2">
                <Choice name="days" label="Ends" options={EXPIRIES} value="90" />
              </div>
              <Check name="test" label="A test key (twigsk_test_…)" />
            </Form>
          )}
        </Dialog>
      )}
    </>
  );
}

function Shown({ secret, close }: { secret: string; close: () => void }) {
  return (
    <>
      <Secret label="This is the key." text={secret} />
      <div class="buttons">
        <button type="button" class="button primary" onClick={close}>
          Done
        </button>
      </div>
    </>
  );
}
