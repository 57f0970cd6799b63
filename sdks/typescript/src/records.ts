/** What was asked and answered: interactions, sessions, feedback, figures, replays and erasures. */

import { Pages, csv, ndjson } from "./pages.js";
import { type RequestOptions, type Transport, call, path } from "./transport.js";
import type {
  Dashboard, DashboardParams, Erasure, ErasureRequest, FeedbackCreate, Interaction, InteractionFilters, Job, ListParams, Replay, ReplayRequest, Session,
} from "./types.js";
import type { AsOf } from "./knowledge.js";
import { type WaitOptions, waitFor } from "./wait.js";

export class Interactions {
  constructor(private readonly transport: Transport) {}

  list(params?: InteractionFilters & ListParams, options?: RequestOptions): Pages<Interaction> {
    return new Pages(this.transport, path("interactions"), { ...params }, options);
  }

  /** `provenance` explains the answer; `history` gives every feedback on it. */
  get(id: string, params?: AsOf & { include?: "provenance" | "history" | "provenance,history" }, options?: RequestOptions): Promise<Interaction> {
    return this.transport.data(call("GET", path("interactions", id), options, { query: { ...params } }));
  }

  /** All that match in one stream; a cut throws, so that a part is never taken for the whole. */
  export(filters?: InteractionFilters, options?: RequestOptions): AsyncGenerator<Interaction, void, undefined> {
    return ndjson(this.transport, call("GET", path("interactions"), options, { query: { ...filters } }));
  }

  /** The same as the text of a CSV file, piece by piece. */
  exportCsv(filters?: InteractionFilters, options?: RequestOptions): AsyncGenerator<string, void, undefined> {
    return csv(this.transport, call("GET", path("interactions"), options, { query: { ...filters } }));
  }
}

export class FeedbackResource {
  constructor(private readonly transport: Transport) {}

  /** A second feedback replaces the first; both stay in the history. */
  create(body: FeedbackCreate, options?: RequestOptions): Promise<Interaction> {
    return this.transport.data(call("POST", path("interactions", "feedback"), options, { body }));
  }
}

export class Sessions {
  constructor(private readonly transport: Transport) {}

  /** A conversation, its oldest turn first. */
  get(id: string, options?: RequestOptions): Promise<Session> {
    return this.transport.data(call("GET", path("sessions", id), options));
  }
}

export class Analytics {
  constructor(private readonly transport: Transport) {}

  /** The figures of a range, by default the last 30 days. */
  dashboard(params?: DashboardParams, options?: RequestOptions): Promise<Dashboard> {
    return this.transport.data(call("GET", path("analytics", "charts", "dashboard"), options, { query: { ...params } }));
  }
}

/** Jobs: replays and erasures. */
export class Jobs<Create, Kind extends Job> {
  constructor(
    private readonly transport: Transport,
    private readonly creation: string,
    private readonly collection: string[],
  ) {}

  create(body: Create, options?: RequestOptions): Promise<Kind> {
    return this.transport.data(call("POST", this.creation, options, { body }));
  }

  get(id: string, options?: RequestOptions): Promise<Kind> {
    return this.transport.data(call("GET", path(...this.collection, id), options));
  }

  /** The job when it has ended; its `result` is the report or the receipt. */
  wait(id: string, options?: WaitOptions<Kind>): Promise<Kind> {
    return waitFor(() => this.get(id, { signal: options?.signal }), options);
  }
}

export type Replays = Jobs<ReplayRequest, Replay>;
export type Erasures = Jobs<ErasureRequest, Erasure>;
