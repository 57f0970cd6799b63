// Settings: the organization with its plan and usage, API keys, erasures.
import type { Organization } from "twig-ai";
import { count, words } from "../../format";
import { useLive } from "../../live";
import { useLoad } from "../../load";
import { twig } from "../../session";
import { Copy, Head, Loading, Meter, toast } from "../../ui/basics";
import { Form, Text, textOf } from "../../ui/form";
import { Problem } from "../../ui/problem";
import { Erasure } from "./erasure";
import { Keys } from "./keys";

export function SettingsPage() {
  return (
    <>
      <Head title="Settings" about="Your organization, its keys and its limits." />
      <div class="grid-cards">
        <OrganizationCard />
        <Erasure />
      </div>
      <Keys />
    </>
  );
}

function OrganizationCard() {
  const organization = useLoad((signal) => twig().organization.get({ signal }), [], true);
  useLive(organization.reload);
  const it = organization.value;
  return (
    <section class="card" aria-label="Organization">
      <h2>Organization</h2>
      {!!organization.failure && <Problem failure={organization.failure} retry={organization.reload} />}
      {!it && !organization.failure && <Loading what="the organization" />}
      {it && <Rename key={it.name} of={it} changed={organization.reload} />}
      {it && (
        <dl class="facts">
          <dt>Plan</dt>
          <dd>{words(it.plan)}</dd>
          <dt>Id</dt>
          <dd>
            <Copy text={it.id} />
          </dd>
        </dl>
      )}
      {it && <Usage name="This minute" used={it.usage.minute} limit={it.limits.perMinute} />}
      {it && <Usage name="Today (UTC)" used={it.usage.today} limit={it.limits.perDay} />}
      {it && (
        <p class="small quiet">
          Plan and limits are set by whoever runs the server: <code>twig orgs set</code>.
        </p>
      )}
    </section>
  );
}

function Usage({ name, used, limit }: { name: string; used: number; limit: number }) {
  return (
    <div>
      <p class="card-head">
        <span>{name}</span>
        <span>
          {count(used)} of {count(limit)} requests
        </span>
      </p>
      <Meter value={used} max={limit} label={`Requests, ${name}`} />
    </div>
  );
}

function Rename({ of, changed }: { of: Organization; changed: () => void }) {
  const submit = async (data: FormData) => {
    await twig().organization.update({ name: textOf(data, "name") });
    dispatchEvent(new Event("organization"));
    toast("The organization was renamed.");
    changed();
  };
  return (
    <Form label="Rename" name="Rename the organization" submit={submit}>
      <Text name="name" label="Name" value={of.name} required maxLength={120} />
    </Form>
  );
}
