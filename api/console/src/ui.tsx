// What every page shares. Invariant: a list shows exactly one of loading, error, empty or its rows.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./client";

export interface Loaded<T> { value?: T; failure?: unknown; reload: () => void }

export function useLoad<T>(load: () => Promise<T>, inputs: unknown[]): Loaded<T> {
  const [state, setState] = useState<{ value?: T; failure?: unknown }>({});
  const turn = useRef(0); // only the newest load may show: an older one that ends late is dropped
  const reload = useCallback(() => {
    const mine = ++turn.current;
    load().then((value) => mine === turn.current && setState({ value }), (failure) => mine === turn.current && setState({ failure }));
  }, inputs);
  useEffect(() => { setState({}); reload(); return () => { turn.current++; }; }, [reload]);
  return { ...state, reload };
}

export function Problem({ failure, retry }: { failure: unknown; retry?: () => void }) {
  if (!failure) return null;
  const known = failure instanceof Failure ? failure : undefined;
  const advice = known?.status === 401 ? "Sign out and in again with a valid key." : known?.status === 403 ? "Use a key that has this scope."
    : known?.status === 404 ? "It may have been deleted, or this server does not have it yet." : known?.status === 429 ? "Wait a moment, then try again." : "";
  return (
    <div class="problem" role="alert">
      <p>{failure instanceof Error ? failure.message : String(failure)} {advice}</p>
      {known?.requestId && <p>Request id <code>{known.requestId}</code></p>}
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

export function Rows<T>({ of, empty, children }: { of: Loaded<{ data: T[] }>; empty: string; children: (row: T) => ComponentChildren }) {
  if (of.failure) return <Problem failure={of.failure} retry={of.reload} />;
  if (!of.value) return <p role="status" class="quiet">Loading…</p>;
  if (!of.value.data.length) return <p class="quiet">{empty}</p>;
  return <ul class="rows">{of.value.data.map(children)}</ul>;
}

/** A button whose act cannot be undone: it asks in a dialog first. */
export function Ask({ label, question, act }: { label: string; question: string; act: () => Promise<void> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [failure, setFailure] = useState<unknown>();
  const go = () => act().then(() => dialog.current?.close(), setFailure);
  return (
    <>
      <button type="button" class="danger" onClick={() => { setFailure(undefined); dialog.current?.showModal(); }}>{label}</button>
      <dialog ref={dialog} aria-label={label}>
        <p>{question}</p>
        <Problem failure={failure} />
        <button type="button" onClick={() => dialog.current?.close()}>Keep</button> <button type="button" class="danger" onClick={go}>{label}</button>
      </dialog>
    </>
  );
}
