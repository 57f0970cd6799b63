// Light, dark, or as the system prefers; remembered on this device.
export type Theme = "system" | "light" | "dark";
const NAME = "twig.theme";

export const theme = (): Theme => (localStorage.getItem(NAME) as Theme | null) ?? "system";

export function setTheme(choice: Theme): void {
  if (choice === "system") {
    localStorage.removeItem(NAME);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(NAME, choice);
    document.documentElement.dataset.theme = choice;
  }
  dispatchEvent(new Event("theme"));
}

/** Calls back when colours have changed; gives what ends that. */
export function onTheme(act: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", act);
  addEventListener("theme", act);
  return () => {
    system.removeEventListener("change", act);
    removeEventListener("theme", act);
  };
}
