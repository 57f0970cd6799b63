// What is asked of an endpoint: a test, a pause, history again, a new secret, its end.
import { useState } from "preact/hooks";
import type { Delivery, Webhook, WebhookReplayRequest } from "twig-ai";
import type { Listed } from "../../load";
import { go, to } from "../../place";
import { twig } from "../../session";
import { Secret, toast } from "../../ui/basics";
import { Act, Ask, Dialog } from "../../ui/dialog";
import { Choice, Form, Text, textOf } from "../../ui/form";
import { GROUPS } from "./form";

const DAY_S = 86_400;

export function Acts({ of: it, changed, list }: { of: Webhook; changed: () => void; list: Listed<Delivery> }) {
  const set = async (status: "active" | "paused") => {
    await twig().webhooks.update(it.id, { status });
    toast(status === "active" ? "It is told of events again." : "Paused. What happens meanwhile is not sent; Replay brings it.");
    changed();
  };
  const remove = async () => {
    await twig().webhooks.delete(it.id);
    toast("The endpoint was deleted.");
    go(to("/webhooks"));
  };
  const test = async () => {
    const sent = await twig().webhooks.test(it.id);
    toast("A test message is on its way.");
    list.reload();
    if (sent?.id) go(to(`/webhooks/${it.id}/deliveries/${sent.id}`));
  };
  return (
    <>
      <Act label="Send a test" primary act={test} />
      {it.status === "active" ? (
        <Ask
          label="Pause"
          danger={false}
          title="Pause this endpoint?"
          question="What happens while it is paused is not sent. Replay can bring it later."
          act={() => set("paused")}
        />
      ) : (
        <Act label="Resume" act={() => set("active")} />
      )}
      <Replay id={it.id} done={list.reload} />
      <Rotate id={it.id} />
      <Ask label="Delete" title="Delete this endpoint?" keep="Keep it" question="It is told nothing any more, and its delivery log goes." act={remove} />
    </>
  );
}

function Replay({ id, done }: { id: string; done: () => void }) {
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  const submit = async (data: FormData) => {
    const types = data.getAll("type").map(String).filter(Boolean) as NonNullable<WebhookReplayRequest["types"]>;
    await twig().webhooks.replay(id, { since: new Date(textOf(data, "since")), ...(types.length ? { types } : {}) });
    toast("History is being sent again.");
    close();
    done();
  };
  const local = new Date(Date.now() - DAY_S * 1000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return (
    <>
      <button type="button" class="button" onClick={() => setOpen(true)}>
        Replay
      </button>
      {open && (
        <Dialog title="Send history again" close={close}>
          <p class="muted">Every message since then goes to this endpoint again, in order, with its first id.</p>
          <Form label="Send again" cancel={close} submit={submit}>
            <Text name="since" label="Since" type="datetime-local" value={local} required />
            <Choice
              name="type"
              label="Messages"
              options={[
                ["", "All that it is told of"],
                ...Object.values(GROUPS)
                  .flat()
                  .map((type): [string, string] => [type, type]),
              ]}
            />
          </Form>
        </Dialog>
      )}
    </>
  );
}

function Rotate({ id }: { id: string }) {
  const [state, setState] = useState<{ open?: boolean; secret?: string }>({});
  const close = () => setState({});
  const submit = async (data: FormData) => {
    const after = await twig().webhooks.rotateSecret(id, { overlapSeconds: Number(textOf(data, "overlap")) });
    setState({ open: true, secret: after.secret });
  };
  return (
    <>
      <button type="button" class="button" onClick={() => setState({ open: true })}>
        Rotate secret
      </button>
      {state.open && (
        <Dialog title="Rotate the signing secret" close={close}>
          {state.secret ? (
            <>
              <Secret label="This is the new secret." text={state.secret} />
              <div class="buttons">
                <button type="button" class="button primary" onClick={close}>
                  Done
                </button>
              </div>
            </>
          ) : (
            <Form label="Rotate" cancel={close} submit={submit}>
              <p class="muted">A new secret is made. Until the overlap ends, messages are signed with both.</p>
              <Choice
                name="overlap"
                label="Both sign for"
                value={String(DAY_S)}
                options={[
                  ["0", "The old one ends now"],
                  ["3600", "An hour"],
                  [String(DAY_S), "A day"],
                  [String(7 * DAY_S), "A week"],
                ]}
              />
            </Form>
          )}
        </Dialog>
      )}
    </>
  );
}
