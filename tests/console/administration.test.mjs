// What administrators do: audit, keys, erasure; and what failures say.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { badge, button, launch, link, open, Server, visit } from "./harness.mjs";

let server, browser, ids;

before(async () => {
  [server, browser] = [await Server.start(), await launch()];
  ids = await server.fill();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const at = (path, act, options) => visit(browser, server, path, act, options);

test("an audit event is found, and tells what changed", () =>
  at("/audit", async (page) => {
    await page.getByLabel("Search").fill("AgentUpdated");
    await page.keyboard.press("Enter");
    await link(page, "Agent updated").first().click();
    await page.getByRole("region", { name: "Changes" }).getByText("/tone").waitFor();
  }));

test("a key is made, signs in, and is thrown out once it is revoked", () =>
  at("/settings", async (page) => {
    await button(page, "Create a key").click();
    await page.getByLabel("Name", { exact: true }).last().fill("reader");
    await page.getByRole("checkbox", { name: /^agents:read/ }).check();
    await button(page, "Create key").click();
    const key = await page.locator(".secret code").textContent();
    await button(page, "Done").click();

    const reader = await open(browser, server);
    await reader.goto(`${server.url}/console/agents`);
    await reader.getByLabel("API key").fill(key);
    await button(reader, "Sign in").click();
    await link(reader, "Support").waitFor();
    await link(reader, "Settings").click();
    const problem = reader.getByRole("alert").first();
    await problem.getByText("Needed: admin").waitFor();
    assert.match(await problem.textContent(), /Request id req_/);

    const row = page.getByRole("row", { name: /reader/ });
    await row.getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await row.waitFor({ state: "detached" });
    await link(reader, "Agents").click();
    await reader.getByText("no longer accepts this key").waitFor();
    await reader.context().close();
  }));

test("a refused key and a refused field say what to do", async () => {
  const page = await open(browser, server);
  await page.goto(`${server.url}/console`);
  await page.getByLabel("API key").fill("twigsk_live_nonsense");
  await button(page, "Sign in").click();
  await page.getByText("The key was refused").waitFor();
  await page.context().close();
  await at(
    "/webhooks/new",
    async (page) => {
      await page.getByLabel("Address").fill("http://10.0.0.1/hook");
      await button(page, "Add endpoint").click();
      await page.locator("input[name=url][aria-invalid=true]").waitFor();
      await page.getByRole("alert").getByText("/url", { exact: true }).waitFor();
    },
    { wrong: false },
  );
});

test("a server that is gone is told of, and tried again", () =>
  at(
    "/agents",
    async (page) => {
      await link(page, "Support").waitFor();
      await page.route("**/api/data-specs*", (route) => route.abort());
      await link(page, "Data").click();
      await page.getByText("The server did not answer").waitFor();
      await page.unroute("**/api/data-specs*");
      await button(page, "Try again").click();
      await link(page, "Policies").waitFor();
    },
    { wrong: false },
  ));

test("a proof is verified in the browser, and a verdict is shown for each of its parts", async (t) => {
  if ((await fetch(`${server.url}/api/audit/checkpoint`, { headers: { Authorization: `Bearer ${server.key}` } })).status === 404)
    return t.skip("this server has no checkpoints yet");
  const [event] = await server.api("GET", "/api/audit/events?type=AgentCreated&limit=1");
  await at(`/audit/${event.id}`, async (page) => {
    await button(page, "Get and verify the proof").click();
    await page.getByText("Holds", { exact: true }).nth(2).waitFor();
    assert.equal(await page.getByText("Does not hold").count(), 0);
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Export the proof").click()]);
    assert.ok(JSON.parse(readFileSync(await download.path(), "utf8")).proof.checkpoint);
  });
});

test("what a person said is erased once its id was given twice", async (t) => {
  const tried = await fetch(`${server.url}/api/privacy/erasures/job_none`, { headers: { Authorization: `Bearer ${server.key}` } });
  if ((await tried.json()).error.message.startsWith("This path")) return t.skip("this server has no erasure yet");
  const agentId = ids.other;
  const said = await server.api("POST", "/api/chat", { agentId, prompt: "When are refunds paid?", userId: "grace" });
  await at("/settings", async (page) => {
    await page.getByLabel("Its id").fill("grace");
    await button(page, "Erase…").click();
    await page.getByLabel("Type the id again").fill("grac");
    await button(page, "Erase for good").click();
    await page.getByText("That is not the same id").waitFor();
    await page.getByLabel("Type the id again").fill("grace");
    await button(page, "Erase for good").click();
    await badge(page, "Succeeded").waitFor();
    await page.goto(`${server.url}/console/interactions/${said.id}`);
    await page.getByText("This question was erased.").waitFor();
  });
});
