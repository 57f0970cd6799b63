// The shell: sign-in, navigation and the route in the hash. Invariant: without a key nothing but the sign-in shows.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { key, list } from "./client";
import { Problem } from "./ui";
import { Agents } from "./pages/agents";
import { Data } from "./pages/data";
import { Interactions } from "./pages/interactions";
import { Playground } from "./pages/playground";
import "./style.css";

const PAGES = { playground: ["Playground", Playground], interactions: ["Interactions", Interactions], agents: ["Agents", Agents], data: ["Data", Data] } as const;
type Name = keyof typeof PAGES;
const current = (): Name => { const name = location.hash.slice(2); return name in PAGES ? (name as Name) : "playground"; };

function SignIn({ done }: { done: () => void }) {
  const [failure, setFailure] = useState<unknown>();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    key.set(String(new FormData(event.currentTarget as HTMLFormElement).get("key")).trim());
    list("/api/agents?limit=1").then(done, (error) => { key.clear(); setFailure(error); });
  };
  return (
    <main class="signin">
      <h1>Twig</h1>
      <form onSubmit={submit}>
        <label>API key <input name="key" type="password" required autocomplete="off" placeholder="twigsk_live_…" /></label>
        <p class="quiet">It is kept until this tab closes.</p>
        <button>Sign in</button>
        <Problem failure={failure} />
      </form>
    </main>
  );
}

function App() {
  const [signedIn, setSignedIn] = useState(!!key.get());
  const [name, setName] = useState(current());
  useEffect(() => {
    const follow = () => setName(current());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  if (!signedIn) return <SignIn done={() => setSignedIn(true)} />;
  const [title, View] = PAGES[name];
  return (
    <>
      <header>
        <strong>Twig</strong>
        <nav aria-label="Pages">{Object.entries(PAGES).map(([id, [label]]) => <a key={id} href={`#/${id}`} aria-current={id === name ? "page" : undefined}>{label}</a>)}</nav>
        <button type="button" onClick={() => { key.clear(); setSignedIn(false); }}>Sign out</button>
      </header>
      <main><h1>{title}</h1><View /></main>
    </>
  );
}

render(<App />, document.getElementById("app")!);
