import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { BUNDLE } from './paths'

export default function setup(): void {
  const page = join(BUNDLE, 'index.html')
  if (existsSync(page)) return
  console.error(`The viewer's bundle is missing (${page}): build it first with "npm run build" in viewer/.`)
  process.exit(1)
}
