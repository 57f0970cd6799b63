// The shell: sign-in, navigation, and the page that the address names. Invariant: without a key nothing but the sign-in shows.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/pages.css";
import { followLinks, to, usePlace } from "./place";
import { signOut, useOrganization, useSignedIn } from "./session";
import { type Theme, setTheme, theme } from "./theme";
import { Empty, Head, Toasts } from "./ui/basics";
import { Choice } from "./ui/form";
import { Icon, type IconName } from "./ui/icons";
import { SignIn } from "./pages/signin";
import { DashboardPage } from "./pages/dashboard/page";
import { InteractionsPage } from "./pages/interactions/page";
import { PlaygroundPage } from "./pages/playground/page";
import { AgentsPage } from "./pages/agents/page";
import { DataPage } from "./pages/data/page";
import { WebhooksPage } from "./pages/webhooks/page";
import { AuditPage } from "./pages/audit/page";
import { SettingsPage } from "./pages/settings/page";

const PAGES = {
  dashboard: DashboardPage,
  interactions: InteractionsPage,
  playground: PlaygroundPage,
  agents: AgentsPage,
  data: DataPage,
  webhooks: WebhooksPage,
  audit: AuditPage,
  settings: SettingsPage,
} satisfies Partial<Record<IconName, () => unknown>>;
type Name = keyof typeof PAGES;

function Navigation({ current, open, close }: { current: string; open: boolean; close: () => void }) {
  const organization = useOrganization();
  return (
    <aside class={`side ${open ? "open" : ""}`} id="navigation" aria-label="Console">
      <a class="brand" href={to("/dashboard")}>
        <img src="/console/icon.svg" alt="" />
        Twig
      </a>
      <nav class="nav" aria-label="Pages">
        {(Object.keys(PAGES) as Name[]).map((name) => (
          <a key={name} href={to(`/${name}`)} aria-current={name === current ? "page" : undefined} onClick={close}>
            <Icon name={name} />
            {name.charAt(0).toUpperCase() + name.slice(1)}
          </a>
        ))}
      </nav>
      <div class="side-end">
        {organization && (
          <div>
            <span class="strong wrap">{organization.name}</span> <span class="quiet small">{organization.plan}</span>
          </div>
        )}
        <Choice
          name="theme"
          label="Appearance"
          value={theme()}
          options={[
            ["system", "As the system"],
            ["light", "Light"],
            ["dark", "Dark"],
          ]}
          change={(value) => setTheme(value as Theme)}
        />
        <button type="button" class="button quiet" onClick={() => signOut()}>
          <Icon name="out" />
          Sign out
        </button>
      </div>
    </aside>
  );
}

function Shell() {
  const { path } = usePlace();
  const [open, setOpen] = useState(false);
  const name = path[0] ?? "dashboard";
  const Page = PAGES[name as Name];
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === "Escape" && setOpen(false);
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, []);
  const skip = (event: Event) => {
    event.preventDefault();
    document.querySelector<HTMLElement>("main h1")?.focus();
  };
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <header class="topbar">
        <a class="brand" href={to("/dashboard")}>
          <img src="/console/icon.svg" alt="" />
          Twig
        </a>
        <button type="button" class="button small" aria-expanded={open} aria-controls="navigation" onClick={() => setOpen(!open)}>
          <Icon name={open ? "close" : "menu"} />
          Menu
        </button>
      </header>
      <Navigation current={name} open={open} close={() => setOpen(false)} />
      <main id="main" class="page" key={name}>
        {Page ? <Page /> : <NoPage />}
      </main>
    </div>
  );
}

function NoPage() {
  return (
    <>
      <Head title="There is no such page" />
      <div class="card">
        <Empty icon="search" title="This address leads nowhere.">
          <a class="button" href={to("/dashboard")}>
            To the dashboard
          </a>
        </Empty>
      </div>
    </>
  );
}

function App() {
  const signedIn = useSignedIn();
  return (
    <>
      {signedIn ? <Shell /> : <SignIn />}
      <Toasts />
    </>
  );
}

setTheme(theme());
followLinks();
render(<App />, document.getElementById("app")!);
