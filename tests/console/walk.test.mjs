// What people do in the console, from the first sign-in on, as they do it.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server, eventually, launch, open, receiver, signIn } from "./harness.mjs";

const LIBRARY = fileURLToPath(new URL("../fixtures/library/", import.meta.url));
const MAX_DASHBOARD_DELAY_MS = 2_000;
const CHARTS = 11;
const PNG = [0x89, 0x50, 0x4e, 0x47];
let server, browser, ids;

before(async () => {
  [server, browser] = [await Server.start(), await launch()];
  ids = await server.fill();
});
after(async () => { await browser?.close(); await server?.stop(); });

/** A signed-in page; whatever went wrong on it fails the test, but for failures that the test asks for. */
async function at(path, act, { wrong = true, key, ...more } = {}) {
  const page = await open(browser, server, more);
  await signIn(page, server, key);
  await page.goto(`${server.url}/console${path}`);
  await act(page);
  if (wrong) assert.deepEqual(page.wrong, []);
  await page.context().close();
}
const button = (page, name) => page.getByRole("button", { name, exact: true });
/** Files that are dragged from the desktop and dropped. */
async function drop(page, files) {
  const dataTransfer = await page.evaluateHandle((all) => {
    const carried = new DataTransfer();
    for (const [name, text] of Object.entries(all)) carried.items.add(new File([text], name));
    return carried;
  }, files);
  await page.locator(".drop").dispatchEvent("drop", { dataTransfer });
}
const badge = (page, text) => page.locator(".badge", { hasText: text }).first();
const link = (page, name) => page.getByRole("link", { name, exact: true });

test("from an uploaded document to an answer, its feedback on the dashboard within two seconds, and back to the interaction", async () => {
  const dashboard = await open(browser, server);
  await signIn(dashboard, server);
  await at("/data", async (page) => {
    await link(page, "Add a data source").click();
    await page.getByLabel("Name", { exact: true }).fill("Backups");
    await page.locator("input[type=file]").setInputFiles(`${LIBRARY}backups.md`);
    await button(page, "Add data source").click();
    const run = page.getByRole("region", { name: "Latest run" });
    await run.getByText("Succeeded").waitFor();
    await run.getByText("1 document of 1").waitFor();

    await link(page, "Agents").click();
    await link(page, "Create an agent").click();
    await page.getByLabel("Name", { exact: true }).fill("Keeper");
    await page.getByRole("checkbox", { name: /Backups/ }).check();
    await button(page, "Create agent").click();
    await page.getByRole("heading", { name: "Keeper", level: 1 }).waitFor();

    const id = page.url().split("/").at(-1);
    await dashboard.goto(`${server.url}/console/dashboard?agent=${id}&range=7d`);
    const satisfaction = dashboard.locator(".kpi", { hasText: "Satisfaction" }).locator(".value");
    await satisfaction.getByText("–").waitFor();

    await link(page, "Try it").click();
    const stream = page.waitForResponse((response) => response.url().endsWith("/api/chat"));
    await page.getByLabel("Question", { exact: true }).fill("How often are backups made?");
    await page.keyboard.press("Enter");
    assert.match((await stream).headers()["content-type"], /^text\/event-stream/);
    await link(page, "Open this interaction").waitFor();
    await button(page, "Source 1").first().click();
    await page.getByRole("region", { name: "The passage as it was then" }).locator("mark").first().waitFor();
    await page.getByText("How it was found").click();
    await page.getByText("The indexes were searched").waitFor();

    const rated = Date.now();
    await button(page, "Good answer").click();
    await satisfaction.getByText("100%").waitFor();
    const took = Date.now() - rated;
    console.log(`# seen on the dashboard after ${took} ms`);
    assert.ok(took < MAX_DASHBOARD_DELAY_MS, `${took} ms`);
  });
  await dashboard.getByRole("slider", { name: "Interactions" }).focus();
  await dashboard.keyboard.press("End");
  await dashboard.keyboard.press("Enter");
  await dashboard.getByRole("heading", { name: "Interactions", level: 1 }).waitFor();
  await dashboard.getByText("1 of 1", { exact: true }).waitFor();
  await link(dashboard, "How often are backups made?").click();
  await dashboard.getByRole("region", { name: "Why this answer" }).getByText("Search", { exact: true }).waitFor();
  assert.equal(await dashboard.getByLabel("Rating").inputValue(), "positive");
  assert.deepEqual(dashboard.wrong, []);
  await dashboard.context().close();
});

test("a point that is clicked leads to the interactions behind it", () => at("/dashboard", async (page) => {
  const chart = page.getByRole("slider", { name: "Interactions" });
  const box = await chart.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const shown = await page.getByRole("region", { name: "Interactions", exact: true }).locator(".chart-read b").textContent();
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await page.getByRole("heading", { name: "Interactions", level: 1 }).waitFor();
  await page.getByText(new RegExp(`of ${shown}$`)).waitFor();
}));

test("range, agent, granularity and time zone stand in the address and reach the server", () => at("/agents", async (page) => {
  const asked = page.waitForRequest((request) => request.url().includes("/charts/dashboard"));
  await page.goto(`${server.url}/console/dashboard?from=2026-10-20&to=2026-10-30&granularity=week&zone=America/New_York&agent=${ids.agent}`);
  const query = new URL((await asked).url()).searchParams;
  assert.deepEqual(Object.fromEntries(query), { startDate: "2026-10-20", endDate: "2026-10-30", agentId: ids.agent, granularity: "week", timezone: "America/New_York" });
  assert.equal(await page.getByLabel("Granularity").inputValue(), "week");
  await page.getByLabel("Granularity").selectOption("day");
  await page.waitForURL(/granularity=day/);
  await page.getByLabel("Range").selectOption("7d");
  await page.waitForURL((url) => url.searchParams.get("range") === "7d" && !url.searchParams.has("from"));
}));

test("every chart is had as CSV and PNG", () => at("/dashboard", async (page) => {
  for (const kind of ["CSV", "PNG"]) {
    const buttons = page.getByRole("button", { name: new RegExp(` as ${kind}$`) });
    for (let n = 0; n < CHARTS; n++) {
      // Chromium lets no page have more than ten downloads at once.
      if (n % 5 === 0) await page.reload();
      const [download] = await Promise.all([page.waitForEvent("download"), buttons.nth(n).click()]);
      const bytes = readFileSync(await download.path());
      if (kind === "PNG") assert.deepEqual([...bytes.subarray(0, 4)], PNG);
      else assert.ok(bytes.toString().trim().includes(","), download.suggestedFilename());
    }
    assert.equal(await buttons.count(), CHARTS);
  }
}));

test("a chart's figures are a table too", () => at("/dashboard", async (page) => {
  const chart = page.getByRole("region", { name: "Latency", exact: true });
  await chart.getByRole("button", { name: "Table" }).click();
  await chart.getByRole("columnheader", { name: "p99" }).waitFor();
  assert.equal(await chart.locator("tbody tr").count(), 30);
}));

test("a webhook is registered, tested, retried, replayed, and its secret verifies", async () => {
  const hook = await receiver();
  await at("/webhooks", async (page) => {
    await link(page, "Add an endpoint").first().click();
    await page.getByLabel("Address").fill(hook.url);
    await button(page, "Add endpoint").click();
    const secret = await page.locator(".secret code").textContent();
    await link(page, "To the endpoint").click();
    await button(page, "Send a test").click();
    await badge(page, "Succeeded").waitFor();
    await badge(page, "204").waitFor();
    const { headers, body } = await eventually(() => hook.got.find((one) => one.body.type === "webhook.test"));
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    const text = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${JSON.stringify(body)}`;
    assert.ok(headers["webhook-signature"].split(" ").includes(`v1,${createHmac("sha256", key).update(text).digest("base64")}`), "the shown secret signs what is sent");

    hook.status = 500;
    await link(page, "Endpoint").click();
    await button(page, "Send a test").click();
    await page.getByText("not today").waitFor();
    hook.status = 204;
    await button(page, "Retry now").click();
    await badge(page, "Succeeded").waitFor();

    await link(page, "Endpoint").click();
    const before = hook.got.length;
    await button(page, "Replay").click();
    await page.getByLabel("Messages").selectOption("agent.updated");
    await button(page, "Send again").click();
    await eventually(() => hook.got.slice(before).find((one) => one.body.type === "agent.updated"));
    await button(page, "Pause").click();
    await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
    await button(page, "Resume").waitFor();
  });
  await hook.stop();
});

test("an earlier version of an agent is restored, after its difference was shown", () => at(`/agents/${ids.agent}/versions`, async (page) => {
  await button(page, "Restore version 1").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Never promise money.").waitFor();
  await dialog.getByRole("button", { name: "Restore version 1" }).click();
  await page.getByRole("heading", { name: "Version 3" }).waitFor();
  await link(page, "Settings").first().click();
  await page.goto(`${server.url}/console/agents/${ids.agent}`);
  assert.equal(await page.getByLabel("Tone").inputValue(), "");
  assert.equal(await page.getByLabel("Instructions").inputValue(), "");
}));

test("a data source's earlier settings are restored", () => at(`/data/${ids.spec}/settings`, async (page) => {
  await page.getByLabel("Description").fill("Something else");
  await button(page, "Save changes").click();
  await page.getByText("Saved. Run it to use what changed.").waitFor();
  await link(page, "Versions").click();
  await button(page, "Restore").click();
  await page.getByRole("dialog").getByText("What customers may expect").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
  await page.getByText("The settings are as they were then.").waitFor();
  assert.equal((await server.api("GET", `/api/data-specs/${ids.spec}`)).description, "What customers may expect");
}));

test("two agents answer side by side", () => at(`/playground?agent=${ids.agent}&with=${ids.other}`, async (page) => {
  await page.getByLabel("Question", { exact: true }).fill("Are gift cards refunded?");
  await page.keyboard.press("Enter");
  for (const name of ["Answers", "Compared answers"]) await page.getByRole("region", { name, exact: true }).getByText("Gift cards are never refunded").first().waitFor();
  await button(page, "New conversation").click();
  await page.getByText("Ask something").first().waitFor();
}));

test("a run shows each document's error, can be canceled, and be tried again", async () => {
  const slow = createServer(() => {});
  await new Promise((resolve) => slow.listen(0, "127.0.0.1", resolve));
  await at("/data/new", async (page) => {
    await page.getByLabel("Name", { exact: true }).fill("Broken");
    await drop(page, { "broken.pdf": "no PDF at all", "good.txt": "A good text of some words." });
    await page.getByText("broken.pdf · 13 B").waitFor();
    await button(page, "Add data source").click();
    await page.getByText("1 document could not be used").waitFor();
    await page.getByText("broken.pdf").waitFor();

    await page.goto(`${server.url}/console/data/new`);
    await page.getByRole("radio", { name: /Web site/ }).check();
    await page.getByLabel("Name", { exact: true }).fill("Slow");
    await page.getByLabel("Address to begin at").fill(`http://127.0.0.1:${slow.address().port}/`);
    await button(page, "Add data source").click();
    await button(page, "Cancel run").click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel run" }).click();
    await page.getByText("Canceled", { exact: true }).waitFor();
    await button(page, "Retry").click();
    await button(page, "Cancel run").waitFor();
  });
  slow.closeAllConnections();
  await new Promise((resolve) => slow.close(resolve));
});

test("feedback, review and a correction are saved with their history", async () => {
  const [interaction] = await server.api("GET", "/api/interactions?answered=true&q=shipping&limit=1");
  await at(`/interactions/${interaction.id}`, async (page) => {
    await page.getByLabel("Rating").selectOption("negative");
    await page.getByLabel("Review", { exact: true }).selectOption("edited");
    await page.getByLabel("Corrected answer").fill("Three days, or eight.");
    await button(page, "Save feedback").click();
    await page.getByText("Feedback saved.").waitFor();
    await page.getByText("History", { exact: true }).click();
    await page.locator("details li").nth(1).waitFor();
  });
  const after = await server.api("GET", `/api/interactions/${interaction.id}`);
  assert.deepEqual([after.feedback.rating, after.reviewStatus, after.feedback.correctedResponse], ["negative", "edited", "Three days, or eight."]);
});

test("what is filtered is what is exported", () => at("/interactions?answered=false", async (page) => {
  await page.getByText("Who painted the Mona Lisa?").first().waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Export CSV").click()]);
  const text = readFileSync(await download.path(), "utf8");
  assert.equal(text.trim().split("\n").length, 3);
  assert.match(text, /^id,/);
}));

test("an audit event is found, and tells what changed", () => at("/audit", async (page) => {
  await page.getByLabel("Search").fill("AgentUpdated");
  await page.keyboard.press("Enter");
  await link(page, "Agent updated").first().click();
  await page.getByRole("region", { name: "Changes" }).getByText("/tone").waitFor();
}));

test("a key is made, signs in, and is thrown out once it is revoked", () => at("/settings", async (page) => {
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
  await at("/webhooks/new", async (page) => {
    await page.getByLabel("Address").fill("http://10.0.0.1/hook");
    await button(page, "Add endpoint").click();
    await page.locator("input[name=url][aria-invalid=true]").waitFor();
    await page.getByRole("alert").getByText("/url", { exact: true }).waitFor();
  }, { wrong: false });
});

test("a server that is gone is told of, and tried again", () => at("/agents", async (page) => {
  await link(page, "Support").waitFor();
  await page.route("**/api/data-specs*", (route) => route.abort());
  await link(page, "Data").click();
  await page.getByText("The server did not answer").waitFor();
  await page.unroute("**/api/data-specs*");
  await button(page, "Try again").click();
  await link(page, "Policies").waitFor();
}, { wrong: false }));

test("a model, a document and a group of unanswered questions lead to just the interactions behind them", () => at("/dashboard", async (page) => {
  await page.getByRole("region", { name: "Top sources", exact: true }).getByRole("button", { name: "Refund policy" }).click();
  await button(page, "Remove the filter: citing Refund policy").waitFor();
  await link(page, "When are refunds paid?").first().waitFor();
  assert.equal(await page.getByText("Question 0 of day 1").count(), 0);
  await page.goBack();
  await page.getByRole("region", { name: "By model", exact: true }).getByRole("button").last().click();
  await page.getByRole("button", { name: /^Remove the filter: model/ }).waitFor();
  await page.goBack();
  await page.getByRole("region", { name: "Unanswered questions", exact: true }).getByRole("button", { name: "Who painted the Mona Lisa?" }).click();
  await page.getByText("2 of 2").waitFor();
}));

test("a source is shown between what stands before and after it in its document", () => at("/data/new", async (page) => {
  const guide = "# Arrival\n\nGuests arrive after three in the afternoon.\n\n# Breakfast\n\nBreakfast is served from seven to ten in the garden room.\n\n# Departure\n\nRooms are left by eleven in the morning.\n";
  await page.getByLabel("Name", { exact: true }).fill("House guide");
  await page.locator("input[type=file]").setInputFiles([{ name: "guide.md", mimeType: "text/markdown", buffer: Buffer.from(guide) }]);
  await button(page, "Add data source").click();
  await page.getByRole("region", { name: "Latest run" }).getByText("Succeeded").waitFor();
  const agent = await server.api("POST", "/api/agents", { name: "Host", dataSpecIds: [page.url().split("/").at(-1)] });
  await page.goto(`${server.url}/console/playground?agent=${agent.id}`);
  await page.getByLabel("Question", { exact: true }).fill("When is breakfast served?");
  await page.keyboard.press("Enter");
  await link(page, "Open this interaction").waitFor();
  await button(page, "Source 1").first().click();
  const passage = page.getByRole("region", { name: "The passage as it was then" });
  await passage.locator("mark", { hasText: "from seven to ten" }).waitFor();
  assert.match(await passage.locator(".around").first().textContent(), /Guests arrive/);
  assert.match(await passage.locator(".around").last().textContent(), /Rooms are left/);
}));

test("a proof is verified in the browser, and a verdict is shown for each of its parts", async (t) => {
  if ((await fetch(`${server.url}/api/audit/checkpoint`, { headers: { Authorization: `Bearer ${server.key}` } })).status === 404) return t.skip("this server has no checkpoints yet");
  const [event] = await server.api("GET", "/api/audit/events?type=AgentCreated&limit=1");
  await at(`/audit/${event.id}`, async (page) => {
    await button(page, "Get and verify the proof").click();
    await page.getByText("Holds", { exact: true }).nth(2).waitFor();
    assert.equal(await page.getByText("Does not hold").count(), 0);
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Export the proof").click()]);
    assert.ok(JSON.parse(readFileSync(await download.path(), "utf8")).proof.checkpoint);
  });
});

test("two versions of an agent answer side by side", async (t) => {
  const tried = await fetch(`${server.url}/api/interactions/replays/job_none`, { headers: { Authorization: `Bearer ${server.key}` } });
  if ((await tried.json()).error.message.startsWith("This path")) return t.skip("this server has no replay yet");
  await at(`/playground?agent=${ids.agent}&with=version:1`, async (page) => {
    await page.getByLabel("Question", { exact: true }).fill("Are gift cards refunded?");
    await page.keyboard.press("Enter");
    const compared = page.getByRole("region", { name: "Compared answers" });
    await compared.getByText("Gift cards are never refunded").waitFor();
    await compared.getByText("Sources in both").waitFor();
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

test("a model's answer shows while it is written, and its failure says what to do", async () => {
  const asked = async (page, model) => {
    const agent = await server.api("POST", "/api/agents", { name: `Writer ${model}`, model, dataSpecIds: [ids.spec] });
    await page.goto(`${server.url}/console/playground?agent=${agent.id}`);
    await page.getByLabel("Question", { exact: true }).fill("When are refunds paid?");
    await page.keyboard.press("Enter");
  };
  await at("/playground", async (page) => {
    await asked(page, "patient");
    await page.locator(".answer.caret", { hasText: /^Refunds are paid$/ }).waitFor();
    await page.getByRole("list", { name: "Sources" }).waitFor();
    await button(page, "Answering…").waitFor();
    server.model.go();
    await page.locator(".answer:not(.caret)", { hasText: "within 30 days of purchase" }).waitFor();
    await button(page, "Source 1").first().click();
    await page.locator("mark").first().waitFor();
    await asked(page, "refusing");
    const problem = page.getByRole("alert");
    await problem.getByText("The model's provider failed").waitFor();
    assert.match(await problem.textContent(), /Request id req_/);
  });
});
