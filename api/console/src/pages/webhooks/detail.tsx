// One endpoint: its settings, its secret, its deliveries; and the making of a new one.
import { useState } from "preact/hooks";
import type { Delivery, DeliveryFilters, Webhook, WebhookCreate, WebhookWithSecret } from "twig-ai";
import { count, plural, words } from "../../format";
import { useLive, usePoll } from "../../live";
import { type Listed, useList, useLoad } from "../../load";
import { go, setQuery, to, usePlace } from "../../place";
import { twig } from "../../session";
import { Badge, Copy, Empty, Head, Loading, Secret, When, toast } from "../../ui/basics";
import { Ask } from "../../ui/dialog";
import { Choice } from "../../ui/form";
import { List } from "../../ui/list";
import { Problem } from "../../ui/problem";
import { Acts } from "./acts";
import { GROUPS, WebhookForm } from "./form";

const CRUMB: [string, string] = ["Webhooks", to("/webhooks")];
const POLL_MS = 2_000;

export function NewWebhook() {
  const [made, setMade] = useState<WebhookWithSecret>();
  const create = async (body: WebhookCreate) => setMade(await twig().webhooks.create(body));
  return (
    <>
      <Head title="New endpoint" crumb={CRUMB} />
      {made ? (
        <div class="card">
          <p>
            The endpoint <b class="wrap">{made.url}</b> is registered.
          </p>
          <Secret label="This is its signing secret." text={made.secret ?? ""} />
          <div class="buttons">
            <a class="button primary" href={to(`/webhooks/${made.id}`)}>
              To the endpoint
            </a>
          </div>
        </div>
      ) : (
        <WebhookForm label="Add endpoint" submit={create} cancel={() => go(to("/webhooks"))} />
      )}
    </>
  );
}

export function WebhookDetail({ id }: { id: string }) {
  const { query } = usePlace();
  const tab = query.get("tab") ?? "deliveries";
  const webhook = useLoad((signal) => twig().webhooks.get(id, {}, { signal }), [id], true);
  const [status, type] = [query.get("status") ?? "", query.get("type") ?? ""] as [NonNullable<DeliveryFilters["status"]> | "", NonNullable<DeliveryFilters["type"]> | ""];
  const list = useList<Delivery>(
    (cursor, signal) => twig().webhooks.deliveries(id, { limit: 50, cursor, ...(status && { status }), ...(type && { type }) }, { signal }),
    [id, status, type],
    true,
  );
  useLive(
    () => {
      list.reload();
      webhook.reload();
    },
    (list.value?.length ?? 0) <= 50,
  );
  // An attempt is no event of the log.
  usePoll(list.reload, POLL_MS, (list.value?.length ?? 0) <= 50 && !!list.value?.some((one) => one.status === "pending"));
  if (!webhook.value)
    return (
      <>
        <Head title="Endpoint" crumb={CRUMB} />
        {webhook.failure ? (
          <Problem failure={webhook.failure} retry={webhook.reload} />
        ) : (
          <div class="card">
            <Loading what="the endpoint" />
          </div>
        )}
      </>
    );
  const it = webhook.value;
  const save = async (body: WebhookCreate) => {
    await twig().webhooks.update(id, body, { ifMatch: it.version });
    toast("Saved.");
    webhook.reload();
  };
  const link = (name: string, label: string) => (
    <a href={to(`/webhooks/${id}`, { tab: name === "deliveries" ? "" : name })} aria-current={tab === name ? "page" : undefined}>
      {label}
    </a>
  );
  return (
    <>
      <Head
        title={it.url}
        crumb={CRUMB}
        about={
          <span class="meta">
            <Badge of={it.status} />
            {it.disabledReason && <span>{words(it.disabledReason)}</span>}
            <Copy text={it.id} short />
          </span>
        }
      >
        <Acts of={it} changed={webhook.reload} list={list} />
      </Head>
      <nav class="tabs" aria-label="Of this endpoint">
        {link("deliveries", "Deliveries")}
        {link("settings", "Settings")}
      </nav>
      {tab === "settings" ? (
        <WebhookForm key={it.version} webhook={it} label="Save changes" submit={save} />
      ) : (
        <Deliveries webhook={it} list={list} status={status} type={type} />
      )}
    </>
  );
}

function Deliveries({ webhook, list, status, type }: { webhook: Webhook; list: Listed<Delivery>; status: string; type: string }) {
  const retry = async () => {
    const { retried } = await twig().webhooks.retryFailed(webhook.id);
    toast(`${plural(retried, "failed delivery", "failed deliveries")} will be sent again.`);
    list.reload();
  };
  return (
    <>
      <div class="filters">
        <Choice
          name="status"
          label="Status"
          value={status}
          options={[
            ["", "All"],
            ["pending", "Pending"],
            ["succeeded", "Succeeded"],
            ["failed", "Failed"],
          ]}
          change={(value) => setQuery({ status: value })}
        />
        <Choice
          name="type"
          label="Message"
          value={type}
          options={[["", "All"], ...[...Object.values(GROUPS).flat(), "webhook.test"].map((one): [string, string] => [one, one])]}
          change={(value) => setQuery({ type: value })}
        />
        <Ask
          label="Retry all failed"
          danger={false}
          title="Send every failed delivery again?"
          question="Each goes out once more, now, and is retried as a new one would be."
          act={retry}
        />
      </div>
      <List
        of={list}
        what="deliveries"
        id={(row) => row.id}
        empty={
          <Empty icon="webhooks" title="No delivery here">
            <p>{status || type ? "Change the filters." : "Messages show here as they are sent. Send a test to see one."}</p>
          </Empty>
        }
        columns={[
          {
            head: "Message",
            cell: (row) => (
              <>
                <a class="link-row" href={to(`/webhooks/${webhook.id}/deliveries/${row.id}`)}>
                  {row.type}
                </a>
                {row.replayed && <span class="sub">replayed</span>}
              </>
            ),
          },
          { head: "Status", cell: (row) => <Badge of={row.status} /> },
          { head: "Attempts", num: true, wide: true, cell: (row) => count(row.attempts?.length) },
          {
            head: "Last answer",
            wide: true,
            cell: (row) => {
              const last = row.attempts?.at(-1);
              return last ? (last.status ?? <span class="wrap">{last.error}</span>) : "–";
            },
          },
          { head: "When", cell: (row) => <When at={row.createdAt} /> },
        ]}
      />
    </>
  );
}
