// The console's own icons: strokes on a grid of 24. They stand beside words and are hidden from screen readers.
const PATHS = {
  dashboard: "M4 20V10m5.500 10V4M15 20v-7m5 7V8",
  interactions: "M4 5h16v11H10l-5 4v-4H4zM8 9h8M8 12h5",
  playground: "M12 3l1.800 5.200L19 10l-5.200 1.800L12 17l-1.800-5.200L5 10l5.200-1.800zM19 16l.700 2.300L22 19l-2.300.700L19 22l-.700-2.300L16 19l2.300-.700z",
  agents: "M6 9h12v9H6zM12 9V5m0 0h.010M3.500 12v3m17-3v3M9.500 13v1m5-1v1",
  data: "M5 6c0-1.600 3-2.500 7-2.500S19 4.400 19 6s-3 2.500-7 2.500S5 7.600 5 6zm0 0v12c0 1.600 3 2.500 7 2.500s7-.900 7-2.500V6M5 12c0 1.600 3 2.500 7 2.500s7-.900 7-2.500",
  webhooks: "M9 7.500a3.500 3.500 0 115.500 2.800l3 5.700M6.500 13a3.500 3.500 0 103.300 5H17m0-3.500a3.500 3.500 0 11-2.500 5.900M12 7.500L8.500 14",
  audit: "M12 3l7 3v5.500c0 4.500-3 7.500-7 9.500-4-2-7-5-7-9.500V6zM9 12l2.200 2.200L15.500 10",
  settings: "M4 7h9m4 0h3M4 17h3m4 0h9M15 4.500v5M9 14.500v5",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  upload: "M12 16V5m0 0L7.500 9.500M12 5l4.500 4.500M4 16v4h16v-4",
  out: "M14 4h6v16h-6M10 8l-4 4 4 4M6 12h10",
  search: "M10.500 4a6.500 6.500 0 110 13 6.500 6.500 0 010-13zM15.500 15.500L20 20",
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      class="icon-mark"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.7"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
