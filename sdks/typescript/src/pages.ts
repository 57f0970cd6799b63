/** Lists page by page, and exports as they come. Invariant: a part is never taken for the whole: a cut throws. */

import { APIConnectionError } from "./errors.js";
import { type Call, type Query, type RequestOptions, type Transport, call } from "./transport.js";
import type { Pagination } from "./types.js";

export interface Page<T> {
  data: T[];
  pagination: Pagination;
}

/** `await` it for one page; `for await` it for every item of every page. */
export class Pages<T> implements PromiseLike<Page<T>>, AsyncIterable<T> {
  constructor(
    private readonly transport: Transport,
    private readonly path: string,
    private readonly query: Query = {},
    private readonly options?: RequestOptions,
  ) {}

  then<A = Page<T>, B = never>(
    resolve?: ((page: Page<T>) => A | PromiseLike<A>) | null,
    reject?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.page(this.query).then(resolve, reject);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let query = this.query;
    for (;;) {
      const { data, pagination } = await this.page(query);
      yield* data;
      if (!pagination?.hasMore || !data.length) return;
      // A cursor is stable while rows are added; an offset is not, and the two exclude each other.
      query = pagination.nextCursor
        ? { ...this.query, offset: undefined, cursor: pagination.nextCursor }
        : { ...query, offset: Number(query.offset ?? 0) + data.length };
    }
  }

  private page(query: Query): Promise<Page<T>> {
    return this.transport.envelope(call("GET", this.path, this.options, { query }));
  }
}

/** The objects of an export, line by line. */
export async function* ndjson<T>(transport: Transport, request: Call): AsyncGenerator<T, void, undefined> {
  request.headers.Accept = "application/x-ndjson";
  let rest = "";
  for await (const text of texts(transport, request)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.trim()) yield JSON.parse(line);
  }
  if (rest.trim()) throw new APIConnectionError("The export ended within a line");
}

export async function* texts(transport: Transport, request: Call): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  for await (const chunk of (await transport.open(request)).chunks) yield decoder.decode(chunk, { stream: true });
}

export function csv(transport: Transport, request: Call): AsyncGenerator<string, void, undefined> {
  request.headers.Accept = "text/csv";
  return texts(transport, request);
}
