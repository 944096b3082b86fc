/**
 * The view as the query of a link, and back: `?epoch=3.5&layers=conv1:expansion=3,layout=1;fc1:bundle=1&pin=conv1:6:10:5`.
 *
 * A link says only what differs from the default. Layer ids are written with `~2f`-like escapes for whatever the grammar
 * or an address needs itself, so that the text survives being percent-encoded or decoded on its way.
 */
import type { CameraView, Compared, LayerView, State, StatePatch, Target } from '../state'
import { type Context, clampPatch } from './clamp'
import { DEFAULT_VIEW, VIEW_FIELDS } from './defaults'
import { limits } from './limits'

const EPOCH_DIGITS = 2
const ANGLE_DIGITS = 1

/** Fields in the order in which a link names them, with the names used there. */
const FIELDS: readonly (readonly [keyof State, string])[] = [
  ['epoch', 'epoch'],
  ['speed', 'speed'],
  ['loop', 'loop'],
  ['sample', 'sample'],
  ['compare', 'compare'],
  ...VIEW_FIELDS.map(field => [field, field] as const),
  ['range', 'range'],
  ['theme', 'theme'],
  ['budget', 'budget'],
  ['steps', 'steps'],
  ['layers', 'layers'],
  ['selected', 'selected'],
  ['pinned', 'pin'],
  ['calculation', 'calculation'],
  ['greyInput', 'greyInput'],
  ['picture', 'picture'],
  ['camera', 'camera'],
  ['panels', 'panels'],
  ['animate', 'animate'],
]
const FIELD_OF = new Map(FIELDS.map(([field, name]) => [name, field]))

/**
 * The query with its `?`, or nothing where all is as by default. Parameters of `current` (a query) that are no part of
 * the view, such as the recording's address, come first and stay as they are.
 */
export function toQuery(state: State, defaults: State, current = ''): string {
  const parts = split(current)
    .filter(([name]) => !FIELD_OF.has(name))
    .map(([, , raw]) => raw)
  for (const [field, name] of FIELDS) {
    // What follows the newest checkpoint does so again from a link; a link with an epoch stands at that one.
    if (field === 'epoch' && state.follow) continue
    const text = write(field, state[field])
    if (text !== write(field, defaults[field])) parts.push(`${name}=${encode(text)}`)
  }
  return parts.length > 0 ? `?${parts.join('&')}` : ''
}

/** What a query sets; whatever can't be read is as if it weren't there. Never throws. */
export function fromQuery(query: string, context: Context): StatePatch {
  const patch: Record<string, unknown> = {}
  for (const [name, text] of split(query)) {
    const field = FIELD_OF.get(name)
    if (!field) continue
    const value = read(field, text)
    if (value !== undefined) patch[field] = value
  }
  return clampPatch(patch, context).patch
}

function write(field: keyof State, value: unknown): string {
  switch (field) {
    case 'layers':
      return writeLayers(value as State['layers'])
    case 'compare':
      return value ? writeCompared(value as Compared) : 'none'
    case 'pinned':
      return value ? writeTarget(value as Target) : 'none'
    case 'selected':
      return value === null ? 'none' : writeId(value as string)
    case 'camera':
      return value ? writeCamera(value as CameraView) : 'home'
    default:
      return writeSimple(field, value)
  }
}

function read(field: keyof State, text: string): unknown {
  switch (field) {
    case 'layers':
      return readLayers(text)
    case 'compare':
      return text === 'none' ? null : readCompared(text)
    case 'pinned':
      return text === 'none' ? null : readTarget(text)
    case 'selected':
      return text === 'none' ? null : readId(text) || undefined
    case 'camera':
      return text === 'home' ? null : readCamera(text)
    case 'epoch':
    case 'sample':
    case 'speed':
      return readNumber(text)
    case 'budget':
      return text === 'auto' ? null : readNumber(text)
    case 'follow':
    case 'loop':
    case 'steps':
    case 'panels':
    case 'animate':
    case 'calculation':
    case 'greyInput':
      return readFlag(text)
    case 'picture':
      return text === 'auto' ? null : readFlag(text)
    case 'theme':
    case 'range':
      return text
    default:
      return readView(field, text)
  }
}

/** Numbers, flags and names; null is "auto" wherever it means that something else decides. */
function writeSimple(field: keyof State, value: unknown): string {
  if (value === null) return 'auto'
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value !== 'number') return String(value)
  if (field === 'epoch' || field === 'speed') return rounded(value, EPOCH_DIGITS)
  return rounded(value, Object.hasOwn(limits, field) ? limits[field as keyof typeof limits].digits : 0)
}

function readView(field: keyof LayerView, text: string): unknown {
  const like = DEFAULT_VIEW[field]
  if (typeof like === 'boolean') return readFlag(text)
  if (typeof like === 'string') return text
  return field === 'bundle' && text === 'auto' ? null : readNumber(text)
}

function writeLayers(layers: State['layers']): string {
  const parts: string[] = []
  for (const [layer, view] of Object.entries(layers)) {
    const fields = VIEW_FIELDS.filter(field => view[field] !== undefined)
    if (fields.length === 0) continue
    parts.push(`${writeId(layer)}:${fields.map(field => `${field}=${writeSimple(field, view[field])}`).join(',')}`)
  }
  return parts.join(';')
}

function readLayers(text: string): Record<string, Record<string, unknown>> {
  const layers: [string, Record<string, unknown>][] = []
  for (const part of text.split(';')) {
    const [id, fields] = part.split(':')
    const layer = readId(id)
    if (!layer || !fields) continue
    const view: Record<string, unknown> = {}
    for (const assignment of fields.split(',')) {
      const [field, value] = assignment.split('=')
      if (value === undefined || !Object.hasOwn(DEFAULT_VIEW, field)) continue
      const set = readView(field as keyof LayerView, value)
      if (set !== undefined) view[field] = set
    }
    layers.push([layer, view])
  }
  return Object.fromEntries(layers)
}

function writeTarget({ layer, map, y, x }: Target): string {
  return [writeId(layer), map, y, x].filter(part => part !== undefined).join(':')
}

function readTarget(text: string): Target | undefined {
  const [id, ...numbers] = text.split(':')
  const layer = readId(id)
  if (!layer || numbers.length === 2 || numbers.length > 3 || !numbers.every(n => /^\d+$/.test(n))) return undefined
  const [map, y, x] = numbers.map(Number)
  return numbers.length === 0 ? { layer } : numbers.length === 1 ? { layer, map } : { layer, map, y, x }
}

/** "checkpoint:0", "sample:5:difference", "recording", "recording:3.5": with what, B's epoch or sample, how it is shown. */
function writeCompared({ with: what, epoch, sample, show }: Compared): string {
  const own = epoch ?? sample
  const number = own === undefined ? [] : [rounded(own, EPOCH_DIGITS)]
  return [what, ...number, ...(show === 'side' ? [] : [show])].join(':')
}

function readCompared(text: string): object | undefined {
  const [what, ...rest] = text.split(':')
  const numbers = rest.filter(part => readNumber(part) !== undefined).map(Number)
  const names = rest.filter(part => readNumber(part) === undefined)
  if (numbers.length > 1 || names.length > 1) return undefined
  return { with: what, [what === 'sample' ? 'sample' : 'epoch']: numbers[0], show: names[0] }
}

/** Yaw, pitch, distance, target: angles to a tenth of a degree, lengths to a thousandth of the distance or finer. */
function writeCamera({ target, yaw, pitch, distance }: CameraView): string {
  const digits = Math.min(12, Math.max(0, 3 - Math.floor(Math.log10(distance))))
  const lengths = [distance, ...target].map(length => rounded(length, digits))
  return [rounded(yaw, ANGLE_DIGITS), rounded(pitch, ANGLE_DIGITS), ...lengths].join(',')
}

function readCamera(text: string): CameraView | undefined {
  const numbers = text.split(',').map(readNumber)
  if (numbers.length !== 6 || numbers.includes(undefined)) return undefined
  const [yaw, pitch, distance, x, y, z] = numbers as number[]
  return { target: [x, y, z], yaw, pitch, distance }
}

function rounded(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)) + 0)
}

function readNumber(text: string): number | undefined {
  // Number('') and Number('0x10') are numbers, too.
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined
}

function readFlag(text: string): boolean | undefined {
  if (text === '1' || text === 'true') return true
  return text === '0' || text === 'false' ? false : undefined
}

/** Letters, digits, `_ . - /` and everything beyond ASCII stay; "none" gets an escape, since it means null. */
function writeId(id: string): string {
  const hex = (char: string) => `~${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
  return id === 'none' ? '~6eone' : id.replace(/[\x00-\x7f]/g, char => (/[\w./-]/.test(char) ? char : hex(char)))
}

function readId(text: string): string {
  return text.replace(/~([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** Percent-encoding, but for what may stand in a query as it is: links are read by people. Half a character becomes �. */
function encode(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd')).replace(/%(3A|3B|2C|3D|2F)/g, decodeURIComponent)
}

/** Name, decoded value and raw text of each parameter; what can't be decoded is left out of the view, but kept raw. */
function split(query: string): [name: string, value: string, raw: string][] {
  return query
    .replace(/^\?/, '')
    .split('&')
    .filter(raw => raw !== '')
    .map(raw => {
      const at = raw.indexOf('=')
      const name = at < 0 ? raw : raw.slice(0, at)
      try {
        return [decodeURIComponent(name), at < 0 ? '' : decodeURIComponent(raw.slice(at + 1)), raw]
      } catch {
        return ['', '', raw]
      }
    })
}
