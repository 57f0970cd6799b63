// Forms. The browser keeps the values; a refused one shows the server's reason beside its field, found by the JSON pointer that the API names.
import { type ComponentChildren, createContext } from "preact";
import { useContext, useId, useState } from "preact/hooks";
import { Problem, explain } from "./problem";

const Failure = createContext<unknown>(undefined);

interface FormProps {
  submit: (data: FormData) => Promise<unknown>;
  label: string;
  cancel?: () => void;
  children: ComponentChildren;
  name?: string;
  danger?: boolean;
}

export function Form({ submit, label, cancel, children, name, danger }: FormProps) {
  const [state, setState] = useState<{ failure?: unknown; busy?: boolean }>({});
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    setState({ busy: true });
    submit(new FormData(form)).then(
      () => setState({}),
      (failure) => setState({ failure }),
    );
  };
  return (
    <Failure.Provider value={state.failure}>
      <form class="form" onSubmit={send} aria-label={name}>
        {children}
        <Problem failure={state.failure} />
        <div class="buttons">
          <button class={`button ${danger ? "danger" : "primary"}`} disabled={state.busy}>
            {state.busy ? "Working…" : label}
          </button>
          {cancel && (
            <button type="button" class="button" onClick={cancel}>
              Cancel
            </button>
          )}
        </div>
      </form>
    </Failure.Provider>
  );
}

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  pointer?: string;
  class?: string;
  children: (attributes: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ComponentChildren;
}

export function Field({ label, hint, pointer, class: name = "", children }: FieldProps) {
  const id = useId();
  const failure = useContext(Failure);
  const bad =
    failure && pointer ? explain(failure).fields.find((field) => field.pointer === pointer || field.pointer.startsWith(`${pointer}/`))?.reason : undefined;
  const described = [hint && `${id}-hint`, bad && `${id}-bad`].filter(Boolean).join(" ");
  return (
    <div class={`field ${name}`}>
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": bad ? true : undefined })}
      {hint && (
        <span class="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {bad && (
        <span class="bad" id={`${id}-bad`}>
          {bad}
        </span>
      )}
    </div>
  );
}

type Shared = { name: string; label: string; hint?: ComponentChildren; pointer?: string; class?: string };
type Input = Shared & {
  value?: string | number | null;
  type?: "text" | "password" | "search" | "date" | "datetime-local" | "number" | "url";
  required?: boolean;
  min?: number | string;
  max?: number | string;
  step?: number | string;
  maxLength?: number;
  placeholder?: string;
  change?: (value: string) => void;
  list?: string;
  autocomplete?: string;
};

export function Text({ name, label, hint, pointer, class: kind, value, change, ...rest }: Input) {
  return (
    <Field label={label} hint={hint} pointer={pointer ?? `/${name}`} class={kind}>
      {(attributes) => (
        <input
          {...attributes}
          class="input"
          name={name}
          type="text"
          defaultValue={value === null || value === undefined ? "" : String(value)}
          {...(rest as object)}
          onChange={change && ((event) => change(event.currentTarget.value))}
        />
      )}
    </Field>
  );
}

export function Area({
  name,
  label,
  hint,
  pointer,
  class: kind,
  value,
  rows = 4,
  required,
  maxLength,
  placeholder,
  mono,
}: Shared & { value?: string | null; rows?: number; required?: boolean; maxLength?: number; placeholder?: string; mono?: boolean }) {
  return (
    <Field label={label} hint={hint} pointer={pointer ?? `/${name}`} class={kind}>
      {(attributes) => (
        <textarea
          {...attributes}
          class={`input ${mono ? "mono" : ""}`}
          name={name}
          rows={rows}
          required={required}
          maxLength={maxLength}
          placeholder={placeholder}
          defaultValue={value ?? ""}
        />
      )}
    </Field>
  );
}

export type Option = [value: string, label: string];

/** `change` makes it a control of the page; without, the form reads it. */
export function Choice({
  name,
  label,
  hint,
  pointer,
  class: kind,
  value,
  options,
  change,
}: Shared & { value?: string | null; options: Option[]; change?: (value: string) => void }) {
  return (
    <Field label={label} hint={hint} pointer={pointer ?? `/${name}`} class={kind}>
      {(attributes) => (
        <select {...attributes} class="input" name={name} onChange={change && ((event) => change(event.currentTarget.value))}>
          {options.map(([option, text]) => (
            <option key={option} value={option} selected={option === (value ?? "")}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function Check({
  name,
  value,
  label,
  checked,
  change,
}: {
  name: string;
  value?: string;
  label: ComponentChildren;
  checked?: boolean;
  change?: (on: boolean) => void;
}) {
  return (
    <label class="check">
      <input type="checkbox" name={name} value={value ?? "on"} defaultChecked={checked} onChange={change && ((event) => change(event.currentTarget.checked))} />
      <span>{label}</span>
    </label>
  );
}

/** A text's lines or comma-separated parts. */
export const listOf = (value: FormDataEntryValue | null): string[] =>
  String(value ?? "")
    .split(/[\n,]/)
    .map((part) => part.trim())
    .filter(Boolean);
export const textOf = (data: FormData, name: string): string => String(data.get(name) ?? "").trim();
/** An empty field is `null`: nothing set. */
export const textOrNull = (data: FormData, name: string): string | null => textOf(data, name) || null;
export const numberOrNull = (data: FormData, name: string): number | null => {
  const text = textOf(data, name);
  return text === "" ? null : Number(text);
};
