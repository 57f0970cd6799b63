// The dashboard: from each figure to what is behind it, and each chart to take along.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { button, launch, link, Server, visit } from "./harness.mjs";

const CHARTS = 11;
const PNG = [0x89, 0x50, 0x4e, 0x47];
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

test("a point that is clicked leads to the interactions behind it", () =>
  at("/dashboard", async (page) => {
    const chart = page.getByRole("slider", { name: "Interactions" });
    const box = await chart.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    const shown = await page.getByRole("region", { name: "Interactions", exact: true }).locator(".chart-read b").textContent();
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    await page.getByRole("heading", { name: "Interactions", level: 1 }).waitFor();
    await page.getByText(new RegExp(`of ${shown}$`)).waitFor();
  }));

test("range, agent, granularity and time zone stand in the address and reach the server", () =>
  at("/agents", async (page) => {
    const asked = page.waitForRequest((request) => request.url().includes("/charts/dashboard"));
    await page.goto(`${server.url}/console/dashboard?from=2026-10-20&to=2026-10-30&granularity=week&zone=America/New_York&agent=${ids.agent}`);
    const query = new URL((await asked).url()).searchParams;
    assert.deepEqual(Object.fromEntries(query), {
      startDate: "2026-10-20",
      endDate: "2026-10-30",
      agentId: ids.agent,
      granularity: "week",
      timezone: "America/New_York",
    });
    assert.equal(await page.getByLabel("Granularity").inputValue(), "week");
    await page.getByLabel("Granularity").selectOption("day");
    await page.waitForURL(/granularity=day/);
    await page.getByLabel("Range").selectOption("7d");
    await page.waitForURL((url) => url.searchParams.get("range") === "7d" && !url.searchParams.has("from"));
  }));

test("every chart is had as CSV and PNG", () =>
  at("/dashboard", async (page) => {
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

test("a chart's figures are a table too", () =>
  at("/dashboard", async (page) => {
    const chart = page.getByRole("region", { name: "Latency", exact: true });
    await chart.getByRole("button", { name: "Table" }).click();
    await chart.getByRole("columnheader", { name: "p99" }).waitFor();
    assert.equal(await chart.locator("tbody tr").count(), 30);
  }));

test("a model, a document and a group of unanswered questions lead to just the interactions behind them", () =>
  at("/dashboard", async (page) => {
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
