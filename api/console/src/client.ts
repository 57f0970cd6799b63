// The one way from the page to the API. Invariant: a failure always becomes a `Failure` that carries the request id,
// and the key lives in sessionStorage only. To be replaced by the project's TypeScript SDK once that is there.

const KEY = "twig.key";
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value: string) => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
};

export interface DataSpec { id: string; name: string; type: string; status: string; stats?: { documents: number; chunks: number } }
export interface Agent { id: string; name: string; status: string; model: string; ragStrategy: string; description?: string; systemPrompt?: string; dataSpecs?: { id: string; enabled: boolean }[]; version: number }
export interface Version { version: number; createdAt: string; changes: { path: string; from: unknown; to: unknown }[] }
export interface RunError { documentUrl: string; stage: string; message: string }
export interface Run { id: string; status: string; stage?: string; progress?: { documentsSeen: number; documentsDone: number; documentsFailed: number; chunks: number }; errors?: RunError[]; reason?: string | null }
export interface Source { index: number; documentTitle: string; documentUrl?: string; snippet: string; score: number }
export interface Interaction { id: string; agentId: string; prompt: string | null; response: string | null; status: string; answered: boolean | null; sources: Source[]; latencyMs: number; createdAt: string; feedback?: { rating: string; comment?: string } | null; provenance?: unknown }
export interface Page<T> { data: T[]; pagination: { total: number; hasMore: boolean; nextCursor: string | null } }

export class Failure extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly requestId: string) { super(message); }
}

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const form = body instanceof FormData;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { Authorization: `Bearer ${key.get()}`, ...(body && !form ? { "Content-Type": "application/json" } : {}), ...headers },
      body: form ? body : body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Failure(0, "unreachable", "The server did not answer. Check that it runs, then try again.", "");
  }
  if (response.ok) return response;
  const error = (await response.json().catch(() => ({}))).error ?? {};
  throw new Failure(response.status, error.code ?? "unknown", error.message ?? `The server answered ${response.status}.`,
    error.requestId ?? response.headers.get("X-Request-Id") ?? "");
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await (await send(method, path, body)).json()).data as T;
}

export async function list<T>(path: string): Promise<Page<T>> {
  return (await send("GET", path)).json();
}

export interface StreamEvent { type: string; text?: string; sources?: Source[]; message?: string; requestId?: string; code?: string; id?: string }

/** Asks and yields each event of the answer's stream, in order. */
export async function* ask(agentId: string, prompt: string): AsyncGenerator<StreamEvent> {
  const response = await send("POST", "/api/chat", { agentId, prompt, stream: true }, { Accept: "text/event-stream" });
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data:"));
      if (data) yield JSON.parse(data.slice(5)) as StreamEvent;
    }
  }
}
