/** Agents, and the data specs that they answer from. */

import { Pages } from "./pages.js";
import { type RequestOptions, type Transport, call, path } from "./transport.js";
import type {
  Agent, AgentCreate, AgentUpdate, AgentVersion, DataSpec, DataSpecCreate, DataSpecUpdate, Deleted, Document, ListParams, Run, RunStarted, Time, Upload,
} from "./types.js";
import { type WaitOptions, waitFor } from "./wait.js";

/** A time or a position of the log. */
export type AsOf = { asOf?: Time | number };

/** Create, read, update and delete: what agents, data specs and webhooks have alike. */
export class Collection<Item, Create, Update, Created = Item> {
  constructor(protected readonly transport: Transport, protected readonly name: string) {}

  list(params?: ListParams & AsOf, options?: RequestOptions): Pages<Item> {
    return new Pages(this.transport, path(this.name), { ...params }, options);
  }

  create(body: Create, options?: RequestOptions): Promise<Created> {
    return this.transport.data(call("POST", path(this.name), options, { body }));
  }

  get(id: string, params?: AsOf, options?: RequestOptions): Promise<Item> {
    return this.transport.data(call("GET", path(this.name, id), options, { query: { ...params } }));
  }

  /** Replaces the given fields; with `ifMatch`, only that version of it. */
  update(id: string, body: Update, options?: RequestOptions): Promise<Item> {
    return this.transport.data(call("PUT", path(this.name, id), options, { body }));
  }

  delete(id: string, options?: RequestOptions): Promise<Deleted> {
    return this.transport.data(call("DELETE", path(this.name, id), options));
  }

  /** A POST to something below one of them. */
  protected post<T>(parts: string[], options?: RequestOptions, body: unknown = {}): Promise<T> {
    return this.transport.data(call("POST", path(this.name, ...parts), options, { body }));
  }
}

export class Agents extends Collection<Agent, AgentCreate, AgentUpdate> {
  /** What changed from version to version, newest first. */
  versions(id: string, params?: ListParams, options?: RequestOptions): Pages<AgentVersion> {
    return new Pages(this.transport, path(this.name, id, "versions"), { ...params }, options);
  }

  /** Makes an earlier version the newest one. */
  restore(id: string, version: number, options?: RequestOptions): Promise<Agent> {
    return this.post([id, "restore"], options, { version });
  }
}

export class DataSpecs extends Collection<DataSpec, DataSpecCreate, DataSpecUpdate> {
  /** The documents come in the order sent; `process` then indexes them. */
  uploadFiles(id: string, files: Upload[], options?: RequestOptions): Promise<Document[]> {
    const body = new FormData();
    for (const file of files) {
      const blob = file instanceof Blob ? file : file.data instanceof Blob ? file.data : new Blob([file.data as BlobPart]);
      body.append("file", blob, file.name);
    }
    return this.post([id, "files"], options, body);
  }

  /** Starts a run; while one runs, that one is answered. */
  process(id: string, options?: RequestOptions): Promise<RunStarted> {
    return this.post([id, "process"], options);
  }

  runs(id: string, params?: ListParams, options?: RequestOptions): Pages<Run> {
    return new Pages(this.transport, path(this.name, id, "runs"), { ...params }, options);
  }

  getRun(id: string, runId: string, options?: RequestOptions): Promise<Run> {
    return this.transport.data(call("GET", path(this.name, id, "runs", runId), options));
  }

  cancelRun(id: string, runId: string, options?: RequestOptions): Promise<Run> {
    return this.post([id, "runs", runId, "cancel"], options);
  }

  documents(id: string, params?: ListParams, options?: RequestOptions): Pages<Document> {
    return new Pages(this.transport, path(this.name, id, "documents"), { ...params }, options);
  }

  /** The run when it has ended, well or not: look at its `status` and `errors`. */
  waitForRun(id: string, runId: string, options?: WaitOptions<Run>): Promise<Run> {
    return waitFor(() => this.getRun(id, runId, { signal: options?.signal }), options);
  }
}
