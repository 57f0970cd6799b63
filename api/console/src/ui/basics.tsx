// The smallest parts: heads, badges, copies, empty and loading states, messages that pass by.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { since, time, words } from "../format";
import { Icon, type IconName } from "./icons";

const TOAST_MS = 6_000;

/** A page's head. Its title takes the focus when the page is come to, so that a screen reader says where one is. */
export function Head({ title, about, crumb, children }: { title: string; about?: ComponentChildren; crumb?: [string, string]; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Twig`;
  }, [title]);
  useLayoutEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <header class="page-head">
      <div>
        {crumb && (
          <nav class="crumb" aria-label="Breadcrumb">
            <a href={crumb[1]}>{crumb[0]}</a>
          </nav>
        )}
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {about && <div class="muted">{about}</div>}
      </div>
      {children && <div class="buttons">{children}</div>}
    </header>
  );
}

const TONES: Record<string, string> = {
  active: "good",
  succeeded: "good",
  completed: "good",
  indexed: "good",
  positive: "good",
  accurate: "good",
  yes: "good",
  failed: "bad",
  negative: "bad",
  inaccurate: "bad",
  disabled: "bad",
  pending: "warn",
  queued: "warn",
  paused: "warn",
  draft: "warn",
  no_answer: "warn",
  no: "warn",
  processing: "info",
  running: "info",
  started: "info",
  edited: "info",
};

export function Badge({ of, label }: { of: string; label?: string }) {
  return <span class={`badge ${TONES[of] ?? ""}`}>{label ?? words(of)}</span>;
}

export function When({ at }: { at: string | null | undefined }) {
  return at ? (
    <time dateTime={at} title={time(at)}>
      {since(at)}
    </time>
  ) : (
    <span>–</span>
  );
}

/** A text to take along, such as an id. */
export function Copy({ text, short }: { text: string; short?: boolean }) {
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => toast("Copied."),
      () => toast("The browser did not allow copying: select the text instead."),
    );
  return (
    <span class="copy">
      <code>{short && text.length > 18 ? `${text.slice(0, 9)}…${text.slice(-6)}` : text}</code>
      <button type="button" class="button quiet small icon" aria-label={`Copy ${text}`} onClick={copy}>
        <Icon name="copy" />
      </button>
    </span>
  );
}

/** A secret that is shown once. */
export function Secret({ text, label }: { text: string; label: string }) {
  return (
    <div class="note warn">
      <p>
        <strong>{label}</strong> Keep it now: it is not shown again.
      </p>
      <div class="secret">
        <Copy text={text} />
      </div>
    </div>
  );
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="strong">{title}</p>
      {children}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div class="skeleton" role="status">
      <span class="hidden-text">Loading {what}…</span>
      <i />
      <i />
      <i />
    </div>
  );
}

export function Meter({ value, max, label }: { value: number; max: number; label: string }) {
  const part = max > 0 ? Math.min(1, value / max) : 0;
  return (
    <div
      class={`meter ${part > 0.9 ? "high" : ""}`}
      role="meter"
      aria-label={label}
      aria-valuenow={value}
      aria-valuemin={0}
      aria-valuemax={Math.max(max, value)}
    >
      <i style={{ width: `${part * 100}%` }} />
    </div>
  );
}

/** Says something in passing, to screen readers too. */
export function toast(text: string): void {
  dispatchEvent(new CustomEvent("toast", { detail: text }));
}

export function Toasts() {
  const [all, set] = useState<{ id: number; text: string }[]>([]);
  useEffect(() => {
    let next = 0;
    const show = (event: Event) => {
      const id = next++;
      set((now) => [...now, { id, text: (event as CustomEvent<string>).detail }]);
      setTimeout(() => set((now) => now.filter((one) => one.id !== id)), TOAST_MS);
    };
    addEventListener("toast", show);
    return () => removeEventListener("toast", show);
  }, []);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {all.map(({ id, text }) => (
        <div key={id} class="toast">
          <span>{text}</span>
          <button type="button" onClick={() => set((now) => now.filter((one) => one.id !== id))}>
            Dismiss
          </button>
        </div>
      ))}
    </div>
  );
}
