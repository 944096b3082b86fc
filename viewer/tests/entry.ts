/** Bundles a script of the tests for the page, with the viewer's own sources in it. */
import { build } from 'vite'
import { VIEWER } from './paths'

export async function bundlePage(entry: string): Promise<string> {
  const result = await build({
    root: VIEWER,
    configFile: false,
    logLevel: 'error',
    build: { write: false, minify: false, lib: { entry, formats: ['es'], fileName: 'probe' } },
  })
  const [{ output }] = result as { output: { type: string; code?: string }[] }[]
  return output.find(file => file.type === 'chunk')!.code!
}
