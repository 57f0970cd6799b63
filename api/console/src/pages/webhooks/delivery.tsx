// One delivery: what was sent, and what each attempt was answered.
import { duration, time } from "../../format";
import { useLive, usePoll } from "../../live";
import { useLoad } from "../../load";
import { to } from "../../place";
import { twig } from "../../session";
import { Badge, Copy, Empty, Head, Loading, toast } from "../../ui/basics";
import { Act } from "../../ui/dialog";
import { Problem } from "../../ui/problem";

const POLL_MS = 1_000;

interface Attempt {
  number: number;
  at: string;
  status: number | null;
  latencyMs: number;
  response: string | null;
  error: string | null;
}

export function DeliveryDetail({ webhook, id }: { webhook: string; id: string }) {
  const delivery = useLoad((signal) => twig().webhooks.getDelivery(id, { signal }), [id], true);
  useLive(delivery.reload);
  // An attempt is no event of the log.
  usePoll(delivery.reload, POLL_MS, delivery.value?.status === "pending");
  const crumb: [string, string] = ["Endpoint", to(`/webhooks/${webhook}`)];
  if (!delivery.value)
    return (
      <>
        <Head title="Delivery" crumb={crumb} />
        {delivery.failure ? (
          <Problem failure={delivery.failure} retry={delivery.reload} />
        ) : (
          <div class="card">
            <Loading what="the delivery" />
          </div>
        )}
      </>
    );
  const it = delivery.value;
  const attempts: Attempt[] = it.attempts ?? [];
  const retry = async () => {
    await twig().webhooks.retryDelivery(id);
    toast("It is sent again now.");
    delivery.reload();
  };
  return (
    <>
      <Head
        title={it.type}
        crumb={crumb}
        about={
          <span class="meta">
            <Badge of={it.status} />
            {it.replayed && <span>replayed</span>}
            <span>{time(it.createdAt)}</span>
          </span>
        }
      >
        <Act label="Retry now" act={retry} />
      </Head>
      <div class="grid-cards">
        <section class="card" aria-label="Attempts">
          <h2>Attempts</h2>
          {it.status === "pending" && it.nextAttemptAt && <p class="note">The next attempt is due {time(it.nextAttemptAt)}.</p>}
          {attempts.length ? (
            <ol class="form">
              {attempts.toReversed().map((attempt) => (
                <li key={attempt.number}>
                  <OneAttempt of={attempt} />
                </li>
              ))}
            </ol>
          ) : (
            <Empty icon="webhooks" title="Not sent yet" />
          )}
        </section>
        <section class="card" aria-label="Request">
          <h2>Request</h2>
          <dl class="facts small">
            <dt>webhook-id</dt>
            <dd>
              <Copy text={it.eventId} />
            </dd>
            <dt>Sequence</dt>
            <dd>{it.sequence}</dd>
            {it.position != null && (
              <>
                <dt>Log position</dt>
                <dd>{it.position}</dd>
              </>
            )}
          </dl>
          <pre class="code" tabIndex={0} aria-label="Body">
            {JSON.stringify(it.payload, null, 2)}
          </pre>
        </section>
      </div>
    </>
  );
}

function OneAttempt({ of: attempt }: { of: Attempt }) {
  const good = attempt.status !== null && attempt.status >= 200 && attempt.status < 300;
  return (
    <details open={!good}>
      <summary>
        Attempt {attempt.number}: <Badge of={good ? "succeeded" : "failed"} label={attempt.status ? String(attempt.status) : "No answer"} />{" "}
        <span class="quiet small">
          {duration(attempt.latencyMs)} · {time(attempt.at)}
        </span>
      </summary>
      {attempt.error && <p class="problem">{attempt.error}</p>}
      <dl class="facts small">
        <dt>Sent at</dt>
        <dd>
          <code>webhook-timestamp: {Math.floor(Date.parse(attempt.at) / 1000)}</code>
        </dd>
        <dt>Answer</dt>
        <dd>{attempt.status ?? "none"}</dd>
      </dl>
      {attempt.response !== null && (
        <pre class="code soft" tabIndex={0} aria-label="Response body">
          {attempt.response || "(an empty body)"}
        </pre>
      )}
    </details>
  );
}
