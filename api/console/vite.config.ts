// The console is static files under /console/. The Content-Security-Policy allows no inline script, style or font,
// so nothing may be inlined: no asset as a data URL and no module-preload polyfill.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/console/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: false },
});
