// The console is static files under /console/. Its Content-Security-Policy allows no inline script, style or font, so nothing may be inlined: no asset as a
// data URL and no module-preload polyfill. The API is spoken to by the project's own SDK, from its source.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/console/",
  resolve: { alias: { "twig-ai": fileURLToPath(new URL("../../sdks/typescript/src/index.ts", import.meta.url)) } },
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: false, outDir: process.env.TWIG_CONSOLE_OUT ?? "dist", emptyOutDir: true },
  server: { proxy: { "/api": "http://127.0.0.1:8080", "/readyz": "http://127.0.0.1:8080" } },
});
