// Data sources: the list, a new one, or one of them.
import type { DataSpec } from "twig-ai";
import { bytes, count } from "../../format";
import { useLive } from "../../live";
import { useList } from "../../load";
import { to, usePlace } from "../../place";
import { twig } from "../../session";
import { Badge, Empty, Head, When } from "../../ui/basics";
import { List } from "../../ui/list";
import { DataDetail } from "./detail";
import { KINDS } from "./kinds";
import { NewData } from "./create";

const PAGE = 50;

export function DataPage() {
  const { path } = usePlace();
  if (path[1] === "new") return <NewData />;
  return path[1] ? <DataDetail key={path[1]} id={path[1]} tab={path[2] ?? "overview"} /> : <DataList />;
}

function DataList() {
  const list = useList<DataSpec>((cursor, signal) => twig().dataSpecs.list({ limit: PAGE, cursor }, { signal }), [], true);
  useLive(list.reload, (list.value?.length ?? 0) <= PAGE);
  const create = (
    <a class="button primary" href={to("/data/new")}>
      Add a data source
    </a>
  );
  return (
    <>
      <Head title="Data" about="The documents that agents answer from.">
        {create}
      </Head>
      <List
        of={list}
        what="data sources"
        id={(row) => row.id}
        empty={
          <Empty icon="data" title="No data source yet">
            <p>Upload files, name a web site, or paste a text: it is read, cut into passages and indexed.</p>
            {create}
          </Empty>
        }
        columns={[
          {
            head: "Name",
            cell: (row) => (
              <>
                <a class="link-row" href={to(`/data/${row.id}`)}>
                  {row.name}
                </a>
                <span class="sub clip">{row.description}</span>
              </>
            ),
          },
          { head: "Type", wide: true, cell: (row) => KINDS[row.type]?.name ?? row.type },
          { head: "Status", cell: (row) => <Badge of={row.status} /> },
          { head: "Documents", num: true, cell: (row) => count(row.stats.documents) },
          { head: "Passages", num: true, wide: true, cell: (row) => count(row.stats.chunks) },
          { head: "Size", num: true, wide: true, cell: (row) => bytes(row.stats.bytes) },
          { head: "Changed", wide: true, cell: (row) => <When at={row.updatedAt} /> },
        ]}
      />
    </>
  );
}
