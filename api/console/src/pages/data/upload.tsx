// Files by drag and drop or by choice.
import { useId, useState } from "preact/hooks";
import { bytes, plural } from "../../format";
import { toast } from "../../ui/basics";
import { Icon } from "../../ui/icons";
import { Problem } from "../../ui/problem";
import { twig } from "../../session";

/** As the API has it. */
const MAX_FILE_BYTES = 50 * 1024 * 1024;
const UPLOAD_TIMEOUT_MS = 15 * 60_000;

export const upload = (id: string, files: File[]) => twig().dataSpecs.uploadFiles(id, files, { timeout: UPLOAD_TIMEOUT_MS });

export function Drop({ accept, take, files = [], busy }: { accept?: string; take: (files: File[]) => void; files?: File[]; busy?: boolean }) {
  const id = useId();
  const [over, setOver] = useState(false);
  const give = (list: FileList | null | undefined) => {
    const all = [...(list ?? [])];
    const large = all.filter((file) => file.size > MAX_FILE_BYTES);
    if (large.length) toast(`${large.map((file) => file.name).join(", ")}: over 50 MiB, so left out.`);
    const fit = all.filter((file) => file.size <= MAX_FILE_BYTES);
    if (fit.length) take(fit);
  };
  const drag = (on: boolean) => (event: DragEvent) => {
    event.preventDefault();
    setOver(on);
  };
  return (
    <div class="field">
      <label
        class={`drop ${over ? "over" : ""}`}
        htmlFor={id}
        onDragOver={drag(true)}
        onDragLeave={drag(false)}
        onDrop={(event) => {
          drag(false)(event);
          give(event.dataTransfer?.files);
        }}
      >
        <Icon name="upload" />
        <span>
          <b>{busy ? "Uploading…" : "Drop files here"}</b> or choose them
        </span>
        <span class="small">{accept?.replace(/\./g, " ").replace(/,/g, "") ?? "Any file"}, at most 50 MiB each</span>
        <input
          id={id}
          class="hidden-text"
          type="file"
          multiple
          accept={accept}
          disabled={busy}
          onChange={(event) => {
            give(event.currentTarget.files);
            event.currentTarget.value = "";
          }}
        />
      </label>
      {files.length > 0 && (
        <ul class="small muted">
          {files.map((file) => (
            <li key={file.name}>
              {file.name} · {bytes(file.size)}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Adds files to a data source that is there, and processes it. */
export function AddFiles({ id, accept, done }: { id: string; accept?: string; done: () => void }) {
  const [state, setState] = useState<{ busy?: boolean; failure?: unknown }>({});
  const take = async (files: File[]) => {
    setState({ busy: true });
    try {
      await upload(id, files);
      await twig().dataSpecs.process(id);
      toast(`${plural(files.length, "file")} uploaded; the run has begun.`);
      setState({});
      done();
    } catch (failure) {
      setState({ failure });
    }
  };
  return (
    <>
      <Drop accept={accept} take={take} busy={state.busy} />
      <Problem failure={state.failure} />
    </>
  );
}
