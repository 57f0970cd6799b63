// Every page of the console, as far as it can be opened by its address.
export function pagesOf({ spec, agent, interaction, webhook, delivery, event }) {
  return {
    dashboard: "/dashboard",
    interactions: "/interactions",
    interaction: `/interactions/${interaction}`,
    playground: `/playground?agent=${agent}`,
    compare: `/playground?agent=${agent}&with=version:1`,
    agents: "/agents",
    "agent-new": "/agents/new",
    agent: `/agents/${agent}`,
    "agent-versions": `/agents/${agent}/versions`,
    data: "/data",
    "data-new": "/data/new",
    "data-one": `/data/${spec}`,
    "data-documents": `/data/${spec}/documents`,
    "data-runs": `/data/${spec}/runs`,
    "data-settings": `/data/${spec}/settings`,
    "data-versions": `/data/${spec}/versions`,
    webhooks: "/webhooks",
    "webhook-new": "/webhooks/new",
    webhook: `/webhooks/${webhook}`,
    "webhook-settings": `/webhooks/${webhook}?tab=settings`,
    delivery: `/webhooks/${webhook}/deliveries/${delivery}`,
    audit: "/audit",
    "audit-event": `/audit/${event}`,
    settings: "/settings",
    nowhere: "/nowhere",
  };
}

/** The filled server's things, one of each kind that has a page. */
export async function things(server, hook) {
  const ids = await server.fill();
  const webhook = (await server.api("POST", "/api/webhooks", { url: hook.url, events: ["*"], description: "A test's own" })).id;
  const delivery = (await server.api("POST", `/api/webhooks/${webhook}/test`, {})).id;
  const [interaction] = await server.api("GET", "/api/interactions?answered=true&limit=1&q=refunds");
  const [event] = await server.api("GET", "/api/audit/events?type=AgentUpdated&limit=1");
  return { ...ids, webhook, delivery, interaction: interaction.id, event: event.id };
}

/** The page is there, and nothing of it is still being loaded. */
export async function settled(page) {
  await page.locator("main h1").waitFor();
  await page.waitForFunction(() => !document.querySelector(".skeleton"));
}
