// Webhooks: the endpoints, a new one, one of them, or one of its deliveries.
import type { Webhook } from "twig-ai";
import { useLive } from "../../live";
import { useList } from "../../load";
import { to, usePlace } from "../../place";
import { twig } from "../../session";
import { Badge, Empty, Head } from "../../ui/basics";
import { List } from "../../ui/list";
import { DeliveryDetail } from "./delivery";
import { NewWebhook, WebhookDetail } from "./detail";

const PAGE = 50;

export function WebhooksPage() {
  const {
    path: [, id, , delivery],
  } = usePlace();
  if (id === "new") return <NewWebhook />;
  if (id && delivery) return <DeliveryDetail key={delivery} webhook={id} id={delivery} />;
  return id ? <WebhookDetail key={id} id={id} /> : <WebhookList />;
}

function WebhookList() {
  const list = useList<Webhook>((cursor, signal) => twig().webhooks.list({ limit: PAGE, cursor }, { signal }), [], true);
  useLive(list.reload, (list.value?.length ?? 0) <= PAGE);
  const create = (
    <a class="button primary" href={to("/webhooks/new")}>
      Add an endpoint
    </a>
  );
  return (
    <>
      <Head title="Webhooks" about="Your systems are told what happens, signed and retried.">
        {create}
      </Head>
      <List
        of={list}
        what="webhook endpoints"
        id={(row) => row.id}
        empty={
          <Empty icon="webhooks" title="No endpoint yet">
            <p>Messages follow the Standard Webhooks specification: any of its libraries verifies them.</p>
            {create}
          </Empty>
        }
        columns={[
          {
            head: "Endpoint",
            cell: (row) => (
              <>
                <a class="link-row" href={to(`/webhooks/${row.id}`)}>
                  {row.url}
                </a>
                <span class="sub">{row.description}</span>
              </>
            ),
          },
          { head: "Status", cell: (row) => <Badge of={row.status} /> },
          {
            head: "Told of",
            wide: true,
            cell: (row) => (
              <span class="tags">
                {row.events.map((event) => (
                  <span key={event} class="tag">
                    {event}
                  </span>
                ))}
              </span>
            ),
          },
        ]}
      />
    </>
  );
}
