/** Where things lie, from this file's place: the tests run from any folder. */
import { fileURLToPath } from 'node:url'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export const VIEWER = at('..')
/** The built bundle; CUTAWAY_BUNDLE names another one (a build of one's own, while others build here). */
export const BUNDLE = process.env.CUTAWAY_BUNDLE || at('../../src/cutaway/static')
export const DEMO = at('../../src/cutaway/demo/recording')
export const TINY = at('../../tests/fixtures/tiny')
export const FIXTURES = at('../../tests/fixtures')
export const ROOT = at('../..')
/** The clone's own environment, as `make` builds it; CUTAWAY_PYTHON names another one. */
export const PYTHON =
  process.env.CUTAWAY_PYTHON ||
  at(process.platform === 'win32' ? '../../.venv/Scripts/python.exe' : '../../.venv/bin/python')
