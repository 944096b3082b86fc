import type {
  ActivationColors,
  CameraView,
  Compared,
  LayerView,
  State,
  StatePatch,
  Target,
  Theme,
  WeightColors,
} from '../state'
import { type LimitedField, limits } from './limits'

/** What a recording allows. */
export interface Context {
  /** Numbers of checkpoints and of samples. */
  checkpoints: number
  samples: number
  /** Layer ids; where given, what concerns other layers is rejected. */
  layers?: ReadonlySet<string>
  /** Whether there is a second recording to compare with. */
  second?: boolean
}

export interface Clamped {
  /** What may be set: in range, whole where only whole numbers mean anything. */
  patch: StatePatch
  /** Names of what was left out: unknown fields, and values of another kind ("expansion", "layers.conv1.pixels"). */
  rejected: string[]
}

const NAMES = {
  pixels: ['square', 'round'] satisfies LayerView['pixels'][],
  activationColors: ['calm', 'grey', 'viridis', 'blue-red'] satisfies ActivationColors[],
  weightColors: ['blue-red', 'purple-green'] satisfies WeightColors[],
  theme: ['dark', 'light'] satisfies Theme[],
  range: ['map', 'layer', 'network'] satisfies State['range'][],
  with: ['checkpoint', 'sample', 'recording'] satisfies Compared['with'][],
  show: ['side', 'difference'] satisfies Compared['show'][],
} as const

/** How fast the training can be played, as factors. */
const SLOWEST = 0.25
const FASTEST = 8

/** Largest number of edges that may be asked for. */
const LARGEST_BUDGET = 20_000_000

type Check = (value: unknown) => unknown

/** Each check gives the value to set, or undefined to reject it. */
const VIEW_CHECKS: Record<keyof LayerView, Check> = {
  ...(Object.fromEntries(Object.keys(limits).map(field => [field, limited(field as LimitedField)])) as Record<
    LimitedField,
    Check
  >),
  bundle: nullable(limited('bundle')),
  weightTimesActivation: flag,
  pixels: named(NAMES.pixels),
  activationColors: named(NAMES.activationColors),
  weightColors: named(NAMES.weightColors),
}

/** Makes a patch from anywhere (a link, the console, a control) safe to set. Never throws. */
export function clampPatch(patch: unknown, context: Context): Clamped {
  const rejected: string[] = []
  const result: Record<string, unknown> = {}
  if (typeof patch !== 'object' || patch === null) return { patch: {}, rejected }
  const checks = checksFor(context)
  for (const [field, value] of Object.entries(patch)) {
    if (field === 'layers') {
      const layers = clampLayers(value, context, rejected)
      if (layers) result.layers = layers
      continue
    }
    const checked = Object.hasOwn(checks, field) ? checks[field as keyof typeof checks](value) : undefined
    if (checked === undefined) rejected.push(field)
    else result[field] = checked
  }
  return { patch: result as StatePatch, rejected }
}

function checksFor(context: Context): Record<Exclude<keyof State, 'layers'>, Check> {
  const known = (layer: unknown) => typeof layer === 'string' && (context.layers?.has(layer) ?? true)
  return {
    ...VIEW_CHECKS,
    epoch: value => within(value, 0, Math.max(0, context.checkpoints - 1)),
    follow: flag,
    speed: value => within(value, SLOWEST, FASTEST),
    loop: flag,
    sample: value => whole(within(value, 0, Math.max(0, context.samples - 1))),
    compare: nullable(value => comparedOf(value, context)),
    budget: nullable(value => whole(within(value, 0, LARGEST_BUDGET))),
    theme: named(NAMES.theme),
    range: named(NAMES.range),
    steps: flag,
    panels: flag,
    calculation: flag,
    greyInput: flag,
    picture: nullable(flag),
    animate: flag,
    selected: nullable(value => (known(value) ? value : undefined)),
    pinned: nullable(value => targetOf(value, known)),
    camera: nullable(cameraOf),
  }
}

function clampLayers(value: unknown, context: Context, rejected: string[]): Record<string, Partial<LayerView>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    rejected.push('layers')
    return null
  }
  const layers: [string, Partial<LayerView>][] = []
  for (const [layer, view] of Object.entries(value)) {
    if (typeof view !== 'object' || view === null || (context.layers && !context.layers.has(layer))) {
      rejected.push(`layers.${layer}`)
      continue
    }
    const fields: [string, unknown][] = []
    for (const [field, set] of Object.entries(view)) {
      // Undefined takes an override back: it is left out without a word.
      if (set === undefined) continue
      const checked = Object.hasOwn(VIEW_CHECKS, field) ? VIEW_CHECKS[field as keyof LayerView](set) : undefined
      if (checked === undefined) rejected.push(`layers.${layer}.${field}`)
      else fields.push([field, checked])
    }
    if (fields.length > 0) layers.push([layer, Object.fromEntries(fields)])
  }
  // fromEntries, not assignment: a layer may be called "__proto__".
  return Object.fromEntries(layers)
}

function within(value: unknown, min: number, max: number): number | undefined {
  if (typeof value !== 'number' || Number.isNaN(value)) return undefined
  return Math.min(max, Math.max(min, value)) + 0 // + 0: no −0 in links
}

function whole(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value)
}

function limited(field: LimitedField): Check {
  const { min, max, whole: integer } = limits[field]
  return value => (integer ? whole(within(value, min, max)) : within(value, min, max))
}

function nullable(check: Check): Check {
  return value => (value === null ? null : check(value))
}

function flag(value: unknown): unknown {
  return typeof value === 'boolean' ? value : undefined
}

function named(names: readonly string[]): Check {
  return value => (names.includes(value as string) ? value : undefined)
}

/** A pixel without a map, or half a pixel, points at nothing and is rejected. */
function targetOf(value: unknown, known: (layer: unknown) => boolean): Target | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { layer, map, y, x } = value as Target
  if (!known(layer)) return undefined
  const noPixel = y === undefined && x === undefined
  if (map === undefined) return noPixel ? { layer } : undefined
  if (!isNatural(map)) return undefined
  if (isNatural(y) && isNatural(x)) return { layer, map, y, x }
  return noPixel ? { layer, map } : undefined
}

/** B gets an epoch or a sample of its own where it has to have one. How many checkpoints a second recording has is its business. */
function comparedOf(value: unknown, { checkpoints, samples, second = false }: Context): Compared | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { epoch, sample, show = 'side', ...asked } = value as Compared
  if (!NAMES.with.includes(asked.with) || !NAMES.show.includes(show)) return undefined
  if (asked.with === 'sample') {
    const own = whole(within(sample ?? 0, 0, Math.max(0, samples - 1)))
    return own === undefined ? undefined : { with: 'sample', sample: own, show }
  }
  if (asked.with === 'recording' && (epoch === undefined || !second))
    return second ? { with: 'recording', show } : undefined
  const last = asked.with === 'recording' ? Number.MAX_SAFE_INTEGER : Math.max(0, checkpoints - 1)
  const own = within(epoch ?? 0, 0, last)
  return own === undefined ? undefined : { with: asked.with, epoch: own, show }
}

function cameraOf(value: unknown): CameraView | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { target, yaw, pitch, distance } = value as CameraView
  if (!Array.isArray(target) || target.length !== 3 || ![...target, yaw, pitch, distance].every(Number.isFinite)) {
    return undefined
  }
  if (distance <= 0) return undefined
  const [x, y, z] = target.map(coordinate => coordinate + 0)
  return { target: [x, y, z], yaw: yaw + 0, pitch: within(pitch, -90, 90)!, distance }
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
