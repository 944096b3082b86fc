import preact from '@preact/preset-vite'
import { defineConfig } from 'vite'

// The bundle is served from any folder of any host (a static site, a notebook): every address in it is relative.
export default defineConfig({
  base: './',
  plugins: [preact()],
  build: {
    outDir: '../src/cutaway/static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
  },
})
