// The console by keyboard alone: no mouse event is made here.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, launch, open } from "./harness.mjs";

const MAX_STOPS = 80;
let server, browser;

before(async () => {
  [server, browser] = [await Server.start(), await launch()];
  await server.fill();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const focused = (page) =>
  page.evaluate(() => {
    const at = document.activeElement;
    return `${at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent ?? ""}`.trim();
  });

/** Goes on by Tab until what is focused has this name. */
async function tabTo(page, name, key = "Tab") {
  const passed = [];
  for (let stop = 0; stop < MAX_STOPS; stop++) {
    await page.keyboard.press(key);
    const now = await focused(page);
    passed.push(now.slice(0, 30));
    if (name instanceof RegExp ? name.test(now) : now === name) return;
  }
  assert.fail(`${name} is not reached: ${passed.join(", ")}`);
}

async function signedIn(options) {
  const page = await open(browser, server, options);
  await page.goto(`${server.url}/console`);
  await page.getByLabel("API key").waitFor();
  await tabTo(page, "API key");
  await page.keyboard.type(server.key);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Dashboard", level: 1 }).waitFor();
  await page.getByRole("slider", { name: "Interactions" }).waitFor();
  return page;
}

test("a person without a mouse signs in, reads a chart, makes an agent, asks it, and thinks better of deleting it", async () => {
  const page = await signedIn();
  assert.equal(await focused(page), "Dashboard", "the page's title has the focus");
  await tabTo(page, "Interactions");
  if ((await page.evaluate(() => document.activeElement.getAttribute("role"))) !== "slider") await tabTo(page, "Interactions");
  await page.keyboard.press("End");
  const said = await page.evaluate(() => document.activeElement.getAttribute("aria-valuetext"));
  assert.match(said, /Interactions 5\b/);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Interactions", level: 1 }).waitFor();

  await tabTo(page, "Agents", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Agents", level: 1 }).waitFor();
  await tabTo(page, "Create an agent");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "New agent" }).waitFor();
  await tabTo(page, "Name");
  await page.keyboard.type("Typist");
  await tabTo(page, /^Policies/);
  await page.keyboard.press("Space");
  await tabTo(page, "Create agent");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Typist", level: 1 }).waitFor();

  await tabTo(page, "Delete");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  assert.ok(await page.evaluate(() => document.querySelector("dialog").contains(document.activeElement)), "the focus is in the dialog");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(page), "Delete", "the focus comes back");

  await tabTo(page, "Try it", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Playground" }).waitFor();
  await tabTo(page, "Question");
  await page.keyboard.type("When are refunds paid?");
  await page.keyboard.press("Enter");
  await page.getByText("Open this interaction").waitFor();
  await tabTo(page, "Source 1", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.locator("mark").first().waitFor();
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test("every stop on the way through the dashboard shows that it has the focus", async () => {
  const page = await signedIn();
  const unseen = [];
  for (let stop = 0; stop < MAX_STOPS; stop++) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate(() => {
      const at = document.activeElement;
      const style = getComputedStyle(at);
      return at === document.body || style.boxShadow !== "none" || style.outlineStyle !== "none" ? "" : at.outerHTML.slice(0, 120);
    });
    if (found) unseen.push(found);
  }
  assert.deepEqual(unseen, []);
  await page.context().close();
});

test("the skip link leads past the navigation, and the menu of a narrow screen opens and closes", async () => {
  const page = await signedIn({ width: 390, height: 844 });
  await page.reload();
  await page.getByRole("slider", { name: "Interactions" }).waitFor();
  await tabTo(page, "Skip to the page", "Shift+Tab");
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "Dashboard");
  await tabTo(page, "Menu", "Shift+Tab");
  await page.keyboard.press("Enter");
  await tabTo(page, "Audit");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Audit", level: 1 }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Menu" }).getAttribute("aria-expanded"), "false");
  await page.context().close();
});
