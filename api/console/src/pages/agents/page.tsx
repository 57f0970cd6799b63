// Agents: the list, a new one, or one of them.
import type { Agent } from "twig-ai";
import { count } from "../../format";
import { useLive } from "../../live";
import { useList } from "../../load";
import { to, usePlace } from "../../place";
import { twig } from "../../session";
import { Badge, Empty, Head, When } from "../../ui/basics";
import { List } from "../../ui/list";
import { AgentDetail, NewAgent } from "./detail";

const PAGE = 50;

export function AgentsPage() {
  const { path } = usePlace();
  if (path[1] === "new") return <NewAgent />;
  return path[1] ? <AgentDetail key={path[1]} id={path[1]} tab={path[2] ?? "settings"} /> : <AgentList />;
}

function AgentList() {
  const list = useList<Agent>((cursor, signal) => twig().agents.list({ limit: PAGE, cursor }, { signal }), [], true);
  useLive(list.reload, (list.value?.length ?? 0) <= PAGE);
  const create = (
    <a class="button primary" href={to("/agents/new")}>
      Create an agent
    </a>
  );
  return (
    <>
      <Head title="Agents" about="Who answers, in which way, from which data.">
        {create}
      </Head>
      <List
        of={list}
        what="agents"
        id={(row) => row.id}
        empty={
          <Empty icon="agents" title="No agent yet">
            <p>An agent answers questions from the data sources you give it.</p>
            {create}
          </Empty>
        }
        columns={[
          {
            head: "Name",
            cell: (row) => (
              <>
                <a class="link-row" href={to(`/agents/${row.id}`)}>
                  {row.name}
                </a>
                <span class="sub clip">{row.description}</span>
              </>
            ),
          },
          { head: "Status", cell: (row) => <Badge of={row.status} /> },
          { head: "Model", wide: true, cell: (row) => row.model },
          { head: "Strategy", wide: true, cell: (row) => row.ragStrategy },
          { head: "Data", wide: true, num: true, cell: (row) => count(row.dataSpecs.length) },
          { head: "Version", num: true, wide: true, cell: (row) => row.version },
          { head: "Changed", cell: (row) => <When at={row.updatedAt} /> },
        ]}
      />
    </>
  );
}
