// Dialogs, by the browser's own element: it keeps the focus inside, gives it back, and closes on Escape.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem } from "./problem";

export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current!;
    const before = document.activeElement as HTMLElement | null;
    dialog.showModal();
    // While it is open nothing outside it can have the focus.
    return () => {
      dialog.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <div>
        <h2 id="dialog-title">{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface AskProps {
  label: string;
  title: string;
  question: ComponentChildren;
  act: () => Promise<unknown>;
  keep?: string;
  small?: boolean;
  danger?: boolean;
  disabled?: boolean;
}

/** A button whose act has consequences: it asks first, and shows why when the act fails. */
export function Ask({ label, title, question, act, keep = "Cancel", small, danger = true, disabled }: AskProps) {
  const [open, setOpen] = useState(false);
  const [state, setState] = useState<{ failure?: unknown; busy?: boolean }>({});
  const close = () => {
    setOpen(false);
    setState({});
  };
  const go = () => {
    setState({ busy: true });
    act().then(close, (failure) => setState({ failure }));
  };
  return (
    <>
      <button type="button" class={`button ${danger ? "danger" : ""} ${small ? "small" : ""}`} disabled={disabled} onClick={() => setOpen(true)}>
        {label}
      </button>
      {open && (
        <Dialog title={title} close={close}>
          <div class="muted">{question}</div>
          <Problem failure={state.failure} />
          <div class="buttons">
            <button type="button" class="button" onClick={close}>
              {keep}
            </button>
            <button type="button" class={`button ${danger ? "danger solid" : "primary"}`} disabled={state.busy} onClick={go}>
              {label}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** A button that does something at once and says when it failed. */
export function Act({
  label,
  act,
  primary,
  small,
  disabled,
}: {
  label: string;
  act: () => Promise<unknown>;
  primary?: boolean;
  small?: boolean;
  disabled?: boolean;
}) {
  const [state, setState] = useState<{ failure?: unknown; busy?: boolean }>({});
  const go = () => {
    setState({ busy: true });
    act().then(
      () => setState({}),
      (failure) => setState({ failure }),
    );
  };
  return (
    <>
      <button type="button" class={`button ${primary ? "primary" : ""} ${small ? "small" : ""}`} disabled={disabled || state.busy} onClick={go}>
        {label}
      </button>
      {!!state.failure && (
        <Dialog title={label} close={() => setState({})}>
          <Problem failure={state.failure} />
          <div class="buttons">
            <button type="button" class="button" onClick={() => setState({})}>
              Close
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
