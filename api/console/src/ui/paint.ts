// Charts as pictures: the title above, the drawing, the legend below.
import { save, slug } from "../files";

const WIDTH = 1200;
const HEIGHT = 480;
const HEAD = 84;
const FOOT = 44;
const SCALE = 2;

/** A token's colour as it is now, light or dark. */
export function color(name: string, opacity = 1): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return opacity === 1 ? found : found.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
}

export interface Legend {
  label: string;
  color: string;
}
export interface Picture {
  title: string;
  about: string;
  draw: (context: CanvasRenderingContext2D, width: number, height: number) => Promise<Legend[]> | Legend[];
  height?: number;
}

export async function paint({ title, about, draw, height = HEIGHT }: Picture): Promise<void> {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d")!;
  canvas.width = (WIDTH + 48) * SCALE;
  canvas.height = (height + HEAD + FOOT) * SCALE;
  context.scale(SCALE, SCALE);
  context.fillStyle = color("--surface");
  context.fillRect(0, 0, canvas.width, canvas.height);
  text(context, title, 24, 38, "--ink", 20, 600);
  text(context, about, 24, 62, "--ink-3", 14);
  context.save();
  context.translate(24, HEAD);
  const legend = await draw(context, WIDTH, height);
  context.restore();
  let left = 24;
  for (const one of legend) {
    context.fillStyle = one.color;
    context.fillRect(left, height + HEAD + 20, 16, 4);
    left += 24 + text(context, one.label, left + 22, height + HEAD + 27, "--ink-2", 14) + 24;
  }
  canvas.toBlob((blob) => blob && save(`${slug(title)}.png`, blob), "image/png");
}

export function text(context: CanvasRenderingContext2D, words: string, x: number, y: number, tone: string, size: number, weight = 400, end?: number): number {
  context.fillStyle = color(tone);
  context.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  let shown = words;
  while (end && shown.length > 1 && context.measureText(shown).width > end) shown = `${shown.slice(0, -2).trimEnd()}…`;
  context.fillText(shown, x, y);
  return context.measureText(shown).width;
}

const ROW = 34;

/** A picture of named bars. */
export function paintBars(title: string, about: string, rows: { label: string; value: number; written: string }[]): Promise<void> {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return paint({
    title,
    about,
    height: Math.max(1, rows.length) * ROW + 8,
    draw: (context, width) => {
      rows.forEach((row, place) => {
        const y = place * ROW;
        text(context, row.label, 0, y + 21, "--ink", 14, 400, 380);
        context.fillStyle = color("--chart-1");
        context.fillRect(400, y + 8, Math.max(2, (row.value / most) * (width - 520)), 16);
        text(context, row.written, width - 110, y + 21, "--ink-2", 14);
      });
      return [];
    },
  });
}
