// Loads for a view. Invariant: only the newest load may show; one that ends late, or after the view is gone, is dropped and its request canceled.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Page } from "twig-ai";

export interface Loaded<T> {
  value?: T;
  failure?: unknown;
  loading: boolean;
  reload: () => void;
}

type State<T> = { value?: T; failure?: unknown; loading: boolean };

/** `keep`: what is shown stays while something else of the same kind is loaded. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, inputs: unknown[], keep = false): Loaded<T> {
  const [state, setState] = useState<State<T>>({ loading: true });
  const running = useRef<AbortController | undefined>(undefined);
  const latest = useRef(load);
  latest.current = load;
  const reload = useCallback(() => {
    running.current?.abort();
    const mine = (running.current = new AbortController());
    const show = (next: State<T>) => {
      if (!mine.signal.aborted) setState(next);
    };
    setState((before) => ({ ...before, loading: true }));
    latest.current(mine.signal).then(
      (value) => show({ value, loading: false }),
      (failure) => show({ failure, loading: false }),
    );
  }, []);
  useEffect(() => {
    if (!keep) setState({ loading: true });
    reload();
    return () => running.current?.abort();
  }, inputs);
  return { ...state, reload };
}

export interface Listed<T> extends Loaded<T[]> {
  total: number;
  more?: () => void;
}

/** A list page by page: `more` brings the next one below. */
export function useList<T>(load: (cursor: string | undefined, signal: AbortSignal) => PromiseLike<Page<T>>, inputs: unknown[], keep = false): Listed<T> {
  const first = useLoad<Page<T>>(async (signal) => load(undefined, signal), inputs, keep);
  const [rest, setRest] = useState<{ of?: Page<T>; rows: T[]; next?: string | null; loading?: boolean; failure?: unknown }>({ rows: [] });
  const mine = rest.of === first.value ? rest : { of: first.value, rows: [] as T[], next: first.value?.pagination.nextCursor };
  const next = mine.next;
  const more = !next
    ? undefined
    : () => {
        setRest({ ...mine, loading: true, failure: undefined });
        Promise.resolve(load(next, new AbortController().signal)).then(
          (page) => setRest((now) => (now.of === mine.of ? { of: mine.of, rows: [...mine.rows, ...page.data], next: page.pagination.nextCursor } : now)),
          (failure) => setRest((now) => ({ ...now, loading: false, failure })),
        );
      };
  const value = first.value && [...first.value.data, ...mine.rows];
  return {
    value,
    failure: first.failure ?? mine.failure,
    loading: first.loading || !!mine.loading,
    reload: first.reload,
    total: first.value?.pagination.total ?? 0,
    more,
  };
}
