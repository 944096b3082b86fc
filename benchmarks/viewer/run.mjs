// Runs benchmark.ts with the viewer's own tools: `node benchmarks/viewer/run.mjs`. See README.md.
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

const viewer = new URL('../../viewer/', import.meta.url)
const vite = createRequire(new URL('package.json', viewer)).resolve('vite')
const { runnerImport } = await import(pathToFileURL(vite).href)
const { module } = await runnerImport(fileURLToPath(new URL('benchmark.ts', import.meta.url)), {
  root: fileURLToPath(viewer),
  configFile: false,
  logLevel: 'error',
})
await module.main(process.argv.slice(2))
