// Sign-in with an API key.
import { useEffect } from "preact/hooks";
import { signIn, whyEnded } from "../session";
import { Form, Text, textOf } from "../ui/form";

export function SignIn() {
  useEffect(() => {
    document.title = "Sign in · Twig";
  }, []);
  return (
    <main class="signin">
      <div class="signin-card">
        <span class="brand">
          <img src="/console/icon.svg" alt="" />
          Twig
        </span>
        <div>
          <h1>Sign in to the console</h1>
          <p class="muted">With an API key of your organization. It stays in this tab, is sent to this server alone, and is forgotten when the tab closes.</p>
        </div>
        {whyEnded() && (
          <div class="note warn" role="status">
            {whyEnded()}
          </div>
        )}
        <Form label="Sign in" name="Sign in" submit={(data) => signIn(textOf(data, "key"))}>
          <Text
            name="key"
            label="API key"
            type="password"
            required
            autocomplete="off"
            placeholder="twigsk_live_…"
            hint={
              <>
                An operator makes one with <code>twig keys create --org NAME --name console --scopes admin</code>.
              </>
            }
          />
        </Form>
      </div>
    </main>
  );
}
