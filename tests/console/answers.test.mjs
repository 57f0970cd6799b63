// Answers: as they come, side by side, in their surroundings, rated and exported.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { button, launch, link, Server, visit } from "./harness.mjs";

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

test("two agents answer side by side", () =>
  at(`/playground?agent=${ids.agent}&with=${ids.other}`, async (page) => {
    await page.getByLabel("Question", { exact: true }).fill("Are gift cards refunded?");
    await page.keyboard.press("Enter");
    for (const name of ["Answers", "Compared answers"])
      await page.getByRole("region", { name, exact: true }).getByText("Gift cards are never refunded").first().waitFor();
    await button(page, "New conversation").click();
    await page.getByText("Ask something").first().waitFor();
  }));

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

test("what is filtered is what is exported", () =>
  at("/interactions?answered=false", async (page) => {
    await page.getByText("Who painted the Mona Lisa?").first().waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Export CSV").click()]);
    const text = readFileSync(await download.path(), "utf8");
    assert.equal(text.trim().split("\n").length, 3);
    assert.match(text, /^id,/);
  }));

test("a source is shown between what stands before and after it in its document", () =>
  at("/data/new", async (page) => {
    const guide =
      "# Arrival\n\nGuests arrive after three in the afternoon.\n\n# Breakfast\n\nBreakfast is served from seven to ten in the garden room.\n\n# Departure\n\nRooms are left by eleven in the morning.\n";
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
