// What went wrong, what to do about it, and the request id to quote. Every failure of the console is shown by this.
import { APIConnectionError, APIError } from "twig-ai";
import { Copy } from "./basics";

const ADVICE: Record<string, [string, string]> = {
  invalid_request: ["That was not accepted", "Change what is named below and send it again."],
  unauthorized: ["The key was refused", "Sign in with a key that is valid now."],
  forbidden: ["This key may not do that", "Sign in with a key that has the scope, or ask an administrator for one."],
  not_found: ["Not found", "It may have been deleted, or it belongs to another organization. Go back to the list."],
  conflict: ["That does not go together with the present state", "Reload to see what has changed, then decide again."],
  precondition_failed: ["Somebody changed it meanwhile", "Reload to see their version, then make your change again."],
  payload_too_large: ["That is too large", "A file may have 50 MiB, a text 1 MiB. Split it and try again."],
  rate_limit_exceeded: ["The organization's rate limit is reached", "Wait until the time named, or ask the operator for higher limits."],
  upstream_error: ["The model's provider failed", "Try again; if it goes on, check the provider's status and its key on the server."],
  upstream_timeout: ["The model's provider was too slow", "Try again, or choose a faster model for the agent."],
  unavailable: ["The server can't answer this right now", "Try again in a moment."],
  internal_error: ["The server failed", "Try again; if it goes on, give the request id to whoever runs the server."],
  method_not_allowed: ["This server does not offer that yet", "Update the server."],
};

export interface Explained {
  title: string;
  message: string;
  advice: string;
  fields: { pointer: string; reason: string }[];
  requestId?: string;
}

export function explain(failure: unknown): Explained {
  if (failure instanceof APIError) {
    const [title, advice] = ADVICE[failure.code] ?? ["That did not work", "Try again."];
    const wait = failure.retryAfter ? ` Try again in ${Math.ceil(failure.retryAfter)} s.` : "";
    const scope = failure.details?.requiredScope ? ` Needed: ${failure.details.requiredScope}.` : "";
    return { title, message: failure.message + scope, advice: advice + wait, fields: failure.details?.fields ?? [], requestId: failure.requestId };
  }
  if (failure instanceof APIConnectionError) {
    return { title: "The server did not answer", message: failure.message, advice: "Check that it runs and that you are online, then try again.", fields: [] };
  }
  return {
    title: "That did not work",
    message: failure instanceof Error ? failure.message : String(failure),
    advice: "Try again, or reload the page.",
    fields: [],
  };
}

export function Problem({ failure, retry }: { failure: unknown; retry?: () => void }) {
  if (!failure) return null;
  const { title, message, advice, fields, requestId } = explain(failure);
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{title}.</strong> {message}
      </p>
      {fields.length > 0 && (
        <ul>
          {fields.map((field) => (
            <li key={field.pointer}>
              <code>{field.pointer || "/"}</code> {field.reason}
            </li>
          ))}
        </ul>
      )}
      <p class="muted">{advice}</p>
      {requestId && (
        <p class="small">
          Request id <Copy text={requestId} />
        </p>
      )}
      {retry && (
        <div class="buttons">
          <button type="button" class="button small" onClick={retry}>
            Try again
          </button>
        </div>
      )}
    </div>
  );
}
