// Interactions: the list with its filters in the address, or one of them.
import { usePlace } from "../../place";
import { InteractionList } from "./list";
import { InteractionDetail } from "./detail";

export function InteractionsPage() {
  const { path } = usePlace();
  return path[1] ? <InteractionDetail key={path[1]} id={path[1]} /> : <InteractionList />;
}
