// Each step of the strategy that led to an answer, in words and figures.
import { decimal, plural, words } from "../format";

interface Step {
  name: string;
  detail: Record<string, unknown>;
}
const MAX_CANDIDATES = 8;

const TOLD: Record<string, string> = {
  rewrite: "The question was rewritten so that it stands alone",
  expand: "More ways to ask the same were tried",
  search: "The indexes were searched",
  fuse: "The lists of hits were fused into one",
  rerank: "The best hits were read again and put in order",
  decide: "It was decided whether they answer the question",
  generate: "The answer was written",
  quote: "The answer was quoted",
  ground: "The answer was checked against its sources",
};

/** The strategy decides what its steps are. */
export function Steps({ of: told }: { of: unknown }) {
  const of = told as Step[] | null | undefined;
  if (!of?.length) return <p class="quiet">No step is recorded.</p>;
  return (
    <ol class="steps">
      {of.map((step, place) => (
        <li key={place}>
          <h3>{words(step.name)}</h3>
          {TOLD[step.name] && <p class="small muted">{TOLD[step.name]}.</p>}
          <Detail of={step.detail ?? {}} />
        </li>
      ))}
    </ol>
  );
}

function Detail({ of }: { of: Record<string, unknown> }) {
  const { candidates, ...plain } = of;
  return (
    <>
      <dl class="facts small">
        {Object.entries(plain)
          .filter(([, value]) => value !== null)
          .map(([name, value]) => (
            <>
              <dt key={name}>{words(name.replace(/([A-Z])/g, " $1")).trim()}</dt>
              <dd>{written(value)}</dd>
            </>
          ))}
      </dl>
      {Array.isArray(candidates) && candidates.length > 0 && <Candidates of={candidates as Record<string, unknown>[]} />}
    </>
  );
}

function Candidates({ of }: { of: Record<string, unknown>[] }) {
  const columns = Object.keys(of[0]!).filter((name) => !/Id$/.test(name));
  const named = columns.length ? columns : Object.keys(of[0]!);
  return (
    <details>
      <summary>
        {plural(of.length, "candidate")}
        {of.length > MAX_CANDIDATES ? `, the first ${MAX_CANDIDATES} of them` : ""}
      </summary>
      <div class="table-wrap" tabIndex={0} role="region" aria-label="Candidates">
        <table>
          <thead>
            <tr>
              {named.map((name) => (
                <th key={name} scope="col">
                  {words(name)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {of.slice(0, MAX_CANDIDATES).map((row, place) => (
              <tr key={place}>
                {named.map((name) => (
                  <td key={name} class="wrap small">
                    {written(row[name])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function written(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return decimal(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" ? value : Array.isArray(value) && value.every((one) => typeof one === "string") ? value.join(" · ") : JSON.stringify(value);
}
