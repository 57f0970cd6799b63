/**
 * Questions and their answers, whole or as events.
 *
 * Invariant: one question is one interaction, however often its connection fails.
 */

import { APIConnectionError, ConflictError, NotFoundError } from "./errors.js";
import { AnswerState, SSEDecoder } from "./sse.js";
import { type Attempts, type Call, type Opened, type RequestOptions, type Transport, call, path, randomKey } from "./transport.js";
import type { ChatRequest, ChatResponse, Session, StreamEvent } from "./types.js";

/** What the server's clock and the order of its records may differ by. */
const CLOCK_SLACK_MS = 2_000;

export class Chat {
  constructor(private readonly transport: Transport) {}

  /** The whole answer. */
  async create(request: ChatRequest, options?: RequestOptions): Promise<ChatResponse> {
    const question = new Question(this.transport, request, options);
    try {
      return await this.transport.data<ChatResponse>(question.call(false));
    } catch (failure) {
      return new ChatStream(this.transport, question, resume(await question.carriedOut(failure), options)).final();
    }
  }

  /** The events of the answer as it is made; it resumes by itself. `for await` it, or take `final()`. */
  stream(request: ChatRequest, options?: RequestOptions): ChatStream {
    const question = new Question(this.transport, request, options);
    return new ChatStream(this.transport, question, question.call(true));
  }

  /** The events of an answer that another call, or another process, began. */
  resume(interactionId: string, options?: RequestOptions): ChatStream {
    return new ChatStream(this.transport, undefined, resume(interactionId, options));
  }
}

/** A question, and how to find it again once a connection was lost. It names its session even where the caller does not. */
class Question {
  private readonly body: ChatRequest & { sessionId: string };
  private readonly startedMs = Date.now();

  constructor(
    private readonly transport: Transport,
    request: ChatRequest,
    private readonly options: RequestOptions = {},
  ) {
    this.body = { ...request, sessionId: request.sessionId ?? randomKey() };
  }

  call(stream: boolean): Call {
    const made = call("POST", "/api/chat", this.options, { body: { ...this.body, stream } });
    if (stream) made.headers.Accept = "text/event-stream";
    return made;
  }

  /** The interaction whose answer never arrived, when a retry is refused because it was carried out; else throws `failure`. */
  async carriedOut(failure: unknown): Promise<string> {
    // A first attempt's conflict is the caller's own (an agent that is not active), and so is one that no turn explains.
    const id = failure instanceof ConflictError && failure.attempts > 1 ? await this.find() : undefined;
    if (id === undefined) throw failure;
    return id;
  }

  /** The newest turn of the session that asks this, and that is no older than this question. */
  async find(): Promise<string | undefined> {
    const { signal, timeout, maxRetries, headers } = this.options;
    const read = call("GET", path("sessions", this.body.sessionId), { signal, timeout, maxRetries, headers });
    try {
      const opened = await this.transport.open(read);
      const now = Date.parse(opened.headers.get("date") ?? "") || Date.now();
      const since = now - (Date.now() - this.startedMs) - CLOCK_SLACK_MS;
      const session: Session = JSON.parse(await opened.text()).data;
      const asked = session.turns.filter(
        (turn) => turn.prompt === this.body.prompt && turn.agentId === this.body.agentId && Date.parse(turn.createdAt) >= since,
      );
      return asked.at(-1)?.id;
    } catch (failure) {
      if (failure instanceof NotFoundError) return undefined;
      throw failure;
    }
  }
}

/**
 * The events of one answer, each once and in order, over as many connections as it takes.
 *
 * `text` grows with the deltas. Whoever leaves early loses nothing: the server finishes and records the answer all the same.
 */
export class ChatStream implements AsyncIterable<StreamEvent> {
  private readonly state = new AnswerState();
  private readonly events: AsyncGenerator<StreamEvent, void, undefined>;

  /** @internal */
  constructor(
    private readonly transport: Transport,
    private readonly question: Question | undefined,
    private next: Call,
  ) {
    this.events = this.run();
  }

  get interactionId(): string | undefined {
    return this.state.interactionId;
  }

  get sessionId(): string | undefined {
    return this.state.sessionId;
  }

  get text(): string {
    return this.state.text;
  }

  [Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, undefined> {
    return this.events;
  }

  /** The whole answer, after whatever events are left. */
  async final(): Promise<ChatResponse> {
    for await (const _ of this);
    if (!this.state.completed) throw new APIConnectionError("The stream was left before the answer's end");
    return this.state.completed;
  }

  private async *run(): AsyncGenerator<StreamEvent, void, undefined> {
    const attempts = this.transport.attempts(this.next);
    while (!this.state.completed) {
      const opened = await this.connect(attempts);
      if (!opened) continue;
      let begun = false;
      try {
        const decoder = new SSEDecoder();
        for await (const chunk of opened.chunks) {
          for (const message of decoder.feed(chunk)) {
            const event = this.state.accept(message);
            if (!event) continue;
            attempts.progressed();
            begun = true;
            yield event;
            // What has come already is not given out to one who has left.
            this.next.options.signal?.throwIfAborted();
          }
        }
        if (this.state.completed) return;
        throw new APIConnectionError("The stream ended before the answer");
      } catch (failure) {
        if (this.state.completed) return;
        if (!(failure instanceof APIConnectionError)) throw failure;
        await this.transport.pause(this.next, attempts, failure);
      }
      if (!begun && !this.state.interactionId && this.question) {
        // The stream had begun, so the question is recorded: it is looked for before it is sent again.
        const id = await this.question.find();
        if (id !== undefined) this.next = resume(id, this.next.options);
      }
    }
  }

  /** The next connection's stream; `undefined` when it told where else to look. */
  private async connect(attempts: Attempts): Promise<Opened | undefined> {
    const { interactionId, lastEventId } = this.state;
    if (interactionId) this.next = resume(interactionId, this.next.options, lastEventId);
    this.state.connected();
    let opened: Opened;
    try {
      opened = await this.transport.open(this.next, attempts);
    } catch (failure) {
      if (!this.question) throw failure;
      this.next = resume(await this.question.carriedOut(failure), this.next.options);
      return undefined;
    }
    if (opened.headers.get("content-type")?.startsWith("text/event-stream")) return opened;
    // An answer that was kept under the Idempotency-Key: its events are had from the interaction.
    this.next = resume(JSON.parse(await opened.text()).data.id, this.next.options);
    return undefined;
  }
}

function resume(interactionId: string, options: RequestOptions = {}, lastEventId?: string): Call {
  const { signal, timeout, maxRetries, headers } = options;
  const made = call("GET", path("interactions", interactionId, "stream"), { signal, timeout, maxRetries, headers });
  made.headers.Accept = "text/event-stream";
  if (lastEventId) made.headers["Last-Event-ID"] = lastEventId;
  return made;
}
