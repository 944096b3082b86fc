import { describe, expect, test } from 'vitest'
import { buildIndex } from './recording/building.testing'
import {
  bundleInForce,
  type Context,
  clampPatch,
  defaultState,
  fromQuery,
  History,
  type LayerView,
  layerView,
  limits,
  type State,
  type Target,
  toQuery,
} from './state'

const context: Context = { checkpoints: 11, samples: 20 }
const defaults: State = { ...defaultState(), epoch: 10 }
/** Whoever sets an epoch lets go of the newest checkpoint. */
const follow = (patch: Partial<State>) => patch.epoch === undefined
const link = (patch: Partial<State>) => toQuery({ ...defaults, follow: follow(patch), ...patch }, defaults)
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

describe('the default', () => {
  test('is the last checkpoint, framed, and within the limits', () => {
    const state = defaultState(buildIndex({ checkpoints: 11 }))
    expect(state).toEqual(defaults)
    expect(state).toMatchObject({ epoch: 10, sample: 0, expansion: 1, layout: 2, bundle: null, camera: null, step: -1 })
    expect(clampPatch(state, context)).toEqual({ patch: state, rejected: [] })
    expect(defaultState(buildIndex({ checkpoints: 0 })).epoch).toBe(0)
    expect(defaultState().layers).not.toBe(defaultState().layers)
  })

  test('stops are named, rising and within the limits', () => {
    expect(limits.expansion.stops!.map(stop => stop.name)).toEqual([
      'bundled',
      'unbundled',
      'all weights',
      'all calculations',
    ])
    expect(limits.layout.stops!.map(stop => stop.name)).toEqual(['line', 'circle', 'grid'])
    for (const { stops = [], min, max } of Object.values(limits)) {
      for (const { value } of stops) expect(value >= min && value <= max).toBe(true)
    }
  })
})

describe('one layer', () => {
  test('its own values go over the global ones', () => {
    const state = { ...defaults, layout: 1, layers: { conv1: { expansion: 3 } } }
    expect(layerView(state, 'conv1')).toMatchObject({ expansion: 3, layout: 1 })
    expect(layerView(state, 'conv2')).toMatchObject({ expansion: 1, layout: 1 })
    expect(Object.keys(layerView(state, 'conv1')).sort()).toEqual(Object.keys(layerView(state, 'fc')).sort())
    expect(layerView(state, 'fc')).not.toHaveProperty('epoch')
  })

  test('a layer may be called as it likes', () => {
    for (const layer of ['constructor', '__proto__', 'toString']) {
      expect(layerView(defaults, layer)).toMatchObject({ expansion: 1 })
      const { patch } = clampPatch({ layers: Object.fromEntries([[layer, { expansion: 2 }]]) }, context)
      expect(layerView({ ...defaults, ...patch }, layer)).toMatchObject({ expansion: 2 })
    }
  })

  test('bundling follows expansion unless it is set', () => {
    const bundles = [0, 0.25, 1, 2, 3].map(expansion => bundleInForce({ bundle: null, expansion }))
    expect(bundles).toEqual([1, 0.75, 0, 0, 0])
    expect(bundleInForce({ bundle: 0.5, expansion: 3 })).toBe(0.5)
    expect(bundleInForce({ bundle: 0, expansion: 0 })).toBe(0)
  })
})

describe('clamping', () => {
  test('numbers are brought into range, whole ones rounded', () => {
    const patch = { epoch: 99, sample: 3.6, expansion: -1, layout: 2.5, maxMaps: 0, step: -7, weightGain: infinity }
    expect(clampPatch(patch, context)).toEqual({
      patch: { epoch: 10, sample: 4, expansion: 0, layout: 2, maxMaps: 1, step: -1, weightGain: 10 },
      rejected: [],
    })
    expect(clampPatch({ epoch: 3, sample: 3 }, { checkpoints: 0, samples: 0 }).patch).toEqual({ epoch: 0, sample: 0 })
    expect(Object.is(clampPatch({ expansion: -0 }, context).patch.expansion, 0)).toBe(true)
  })

  test.each([
    ['NaN', { expansion: nan }, ['expansion']],
    ['text', { expansion: '2', epoch: '3' }, ['expansion', 'epoch']],
    ['null', { expansion: null, theme: null }, ['expansion', 'theme']],
    ['undefined', { epoch: undefined }, ['epoch']],
    ['unknown names', { zoom: 1, toString: 1, __proto__x: 1 }, ['zoom', 'toString', '__proto__x']],
    ['unknown options', { theme: 'pink', pixels: 'hex', weightColors: 'grey' }, ['theme', 'pixels', 'weightColors']],
    ['flags', { panels: 1, animate: 'yes', weightTimesActivation: 0 }, ['panels', 'animate', 'weightTimesActivation']],
    ['targets', { pinned: { layer: 'a', y: 1, x: 2 }, selected: 3 }, ['pinned', 'selected']],
    ['half a pixel', { pinned: { layer: 'a', map: 0, y: 1 } }, ['pinned']],
    ['a negative map', { pinned: { layer: 'a', map: -1 } }, ['pinned']],
    ['cameras', { camera: { target: [0, 0], yaw: 0, pitch: 0, distance: 1 } }, ['camera']],
    ['a camera at its target', { camera: { target: [0, 0, 0], yaw: 0, pitch: 0, distance: 0 } }, ['camera']],
    ['an endless camera', { camera: { target: [0, nan, 0], yaw: 0, pitch: 0, distance: 1 } }, ['camera']],
    ['layers', { layers: [1] }, ['layers']],
    [
      'in a layer',
      { layers: { a: { epoch: 1, pixels: 'hex' }, b: 7 } },
      ['layers.a.epoch', 'layers.a.pixels', 'layers.b'],
    ],
  ])('%s: left out, and said so', (_, patch, rejected) => {
    const result = clampPatch(patch, context)
    expect(result.rejected).toEqual(rejected)
    expect(Object.keys(result.patch).filter(key => key !== 'layers')).toEqual([])
    expect(result.patch.layers ?? {}).toEqual({})
  })

  test('what is no patch is none', () => {
    for (const patch of [null, undefined, 3, 'x'])
      expect(clampPatch(patch, context)).toEqual({ patch: {}, rejected: [] })
  })

  test('null where it means something; layers with their values; an override taken back', () => {
    const patch = { bundle: null, budget: null, camera: null, pinned: null, selected: null }
    expect(clampPatch(patch, context).patch).toEqual(patch)
    const layers = { a: { bundle: null, expansion: 7 }, b: { layout: undefined }, c: {} }
    expect(clampPatch({ layers }, context)).toEqual({
      patch: { layers: { a: { bundle: null, expansion: 3 } } },
      rejected: [],
    })
  })

  test('where the layers are known, others are rejected', () => {
    const known = { ...context, layers: new Set(['a']) }
    const patch = { layers: { a: { layout: 1 }, b: { layout: 1 } }, selected: 'b', pinned: { layer: 'b' } }
    const result = clampPatch(patch, known)
    expect(result).toEqual({ patch: { layers: { a: { layout: 1 } } }, rejected: ['layers.b', 'selected', 'pinned'] })
    expect(clampPatch({ selected: 'a', pinned: { layer: 'a', map: 2 } }, known).rejected).toEqual([])
  })
})

describe('comparing', () => {
  const beside: Context = { ...context, second: true }
  const rounds: [string, State['compare']][] = [
    ['checkpoint:0', { with: 'checkpoint', epoch: 0, show: 'side' }],
    ['checkpoint:2.5:difference', { with: 'checkpoint', epoch: 2.5, show: 'difference' }],
    ['sample:5', { with: 'sample', sample: 5, show: 'side' }],
    ['recording', { with: 'recording', show: 'side' }],
    ['recording:difference', { with: 'recording', show: 'difference' }],
    ['recording:3', { with: 'recording', epoch: 3, show: 'side' }],
  ]

  test.each(rounds)('%s is a link, and the link leads back', (text, compare) => {
    expect(link({ compare })).toBe(`?compare=${text}`)
    expect(fromQuery(`?compare=${text}`, beside).compare).toEqual(compare)
  })

  test('what is left out has a value, what is too much is brought within reach', () => {
    const set = (compare: unknown, within = context) => clampPatch({ compare }, within)
    expect(set({ with: 'checkpoint' }).patch.compare).toEqual({ with: 'checkpoint', epoch: 0, show: 'side' })
    expect(set({ with: 'checkpoint', epoch: 99 }).patch.compare?.epoch).toBe(10)
    expect(set({ with: 'sample', sample: 99 }).patch.compare).toEqual({ with: 'sample', sample: 19, show: 'side' })
    expect(set({ with: 'recording' }).rejected).toEqual(['compare'])
    expect(set({ with: 'recording', epoch: 99 }, beside).patch.compare?.epoch).toBe(99)
    expect(set(null).patch).toEqual({ compare: null })
    for (const wrong of [
      {},
      'checkpoint',
      { with: 'nothing' },
      { with: 'sample', sample: '5' },
      { with: 'sample', show: 1 },
    ]) {
      expect(set(wrong).rejected).toEqual(['compare'])
    }
  })

  test('with a second recording, the view starts beside it; a link can say otherwise', () => {
    const started = { ...defaultState(buildIndex({ checkpoints: 11 }), true) }
    expect(started.compare).toEqual({ with: 'recording', show: 'side' })
    expect(toQuery({ ...started, compare: null }, started, '?b=other/')).toBe('?b=other/&compare=none')
    expect(fromQuery('?b=other/&compare=none', beside)).toEqual({ compare: null })
  })
})

describe('links', () => {
  test('nothing where all is as by default', () => {
    expect(link({})).toBe('')
    expect(link({ expansion: 1.0000001 })).toBe('')
  })

  test.each<[Partial<State>, string]>([
    [{ epoch: 3.5, expansion: 2 }, '?epoch=3.5&expansion=2'],
    [{ epoch: 3.1449 }, '?epoch=3.14'],
    [{ bundle: 0, weightTimesActivation: true, theme: 'light' }, '?bundle=0&weightTimesActivation=1&theme=light'],
    [
      { layers: { conv1: { layout: 1, expansion: 3 }, fc1: { bundle: 1 }, none: {} } },
      '?layers=conv1:expansion=3,layout=1;fc1:bundle=1',
    ],
    [{ layers: { a: { bundle: null } } }, '?layers=a:bundle=auto'],
    [{ pinned: { layer: 'conv1', map: 6, y: 10, x: 5 } }, '?pin=conv1:6:10:5'],
    [
      { pinned: { layer: 'layer1.0.conv1', map: 0 }, selected: 'block/conv2d_3' },
      '?selected=block/conv2d_3&pin=layer1.0.conv1:0',
    ],
    [
      { camera: { target: [1.23456, -0.00001, 30], yaw: 44.04, pitch: 17, distance: 123.456 } },
      '?camera=44,17,123.5,1.2,0,30',
    ],
    [{ panels: false, animate: false, budget: 2000 }, '?budget=2000&panels=0&animate=0'],
    [{ selected: 'a b&c#d:e;f,g=h+i%j~k"l?' }, '?selected=a~20b~26c~23d~3ae~3bf~2cg~3dh~2bi~25j~7ek~22l~3f'],
    [{ selected: 'none' }, '?selected=~6eone'],
    [{ selected: 'größe' }, '?selected=gr%C3%B6%C3%9Fe'],
  ])('%j is %s, and back', (patch, text) => {
    expect(link(patch)).toBe(text)
    const read = fromQuery(text, context)
    const back = { ...defaults, ...read, follow: follow(read) }
    expect(toQuery(back, defaults)).toBe(text)
    const strings: Partial<State> = { selected: patch.selected, pinned: patch.pinned, layers: patch.layers }
    for (const [field, value] of Object.entries(strings)) {
      if (value && field !== 'layers') expect(back[field as keyof State]).toEqual(value)
    }
  })

  test('what a host did to a link on its way does no harm', () => {
    const state: Partial<State> = {
      layers: { 'a:b;c': { expansion: 3, layout: 1 }, 'größe/1': { bundle: null } },
      pinned: { layer: 'x y+z', map: 1, y: 2, x: 3 },
    }
    const text = link(state)
    const params = new URLSearchParams(text)
    params.set('utm', '1')
    for (const changed of [
      params.toString(),
      `?${params}`,
      text.replaceAll(/[:;,=]/g, c => (c === '=' ? c : encodeURIComponent(c))),
    ]) {
      expect(fromQuery(changed, context)).toEqual(state)
    }
  })

  test('parameters that are no part of the view stay as they are', () => {
    const state = { ...defaults, sample: 3 }
    expect(toQuery(state, defaults, '?recording=../a%20b/&epoch=2&x')).toBe('?recording=../a%20b/&x&sample=3')
    expect(toQuery(defaults, defaults, '?recording=%ff')).toBe('?recording=%ff')
  })

  test('defaults other than null: null is written', () => {
    const other: State = {
      ...defaults,
      selected: 'a',
      pinned: { layer: 'a' },
      bundle: 1,
      budget: 5,
      camera: camera(1, 2, 3),
    }
    const text = toQuery(defaults, other)
    expect(text).toBe('?bundle=auto&budget=auto&selected=none&pin=none&camera=home')
    expect({ ...other, ...fromQuery(text, context) }).toEqual(defaults)
  })

  test.each([
    '',
    '?',
    '?&&=&==&epoch',
    '?epoch=&expansion=abc&layout=NaN&sample=0x3&bundle=null&maxMaps=1e',
    '?layers=&pin=&camera=&selected',
    '?layers=:::;;;,,,===&pin=::::&camera=,,,,,',
    '?layers=a&layers=a:&layers=a:b&layers=a:expansion&layers=a:expansion=',
    '?pin=a:b&pin=a:1:2&pin=a:1:2:3:4&camera=1,2,3&camera=1,2,0,1,2,3&theme=pink&panels=maybe',
    '?%=%&epoch=%E0%A4%A&%ff=1',
    '?__proto__=1&constructor=2&toString=3&layers=a:__proto__=1,toString=2',
    '?epoch=5;drop table&expansion=1,2&expansion=--1',
  ])('garbage is ignored: %s', query => {
    const { layers = {}, ...patch } = fromQuery(query, context)
    expect(patch).toEqual({})
    expect(layers).toEqual({})
  })

  test('values out of range are brought into it', () => {
    expect(fromQuery('?epoch=99&sample=-3&expansion=7', context)).toEqual({ epoch: 10, sample: 0, expansion: 3 })
  })

  test('any state comes back as it is seen', () => {
    const random = generator(1)
    for (let i = 0; i < 3000; i++) {
      const state = randomState(random)
      const text = toQuery(state, defaults)
      expect(text).toMatch(/^(\?[\w.:;,=&/~%-]+)?$/)
      const patch = fromQuery(text, context)
      const back = { ...defaults, ...patch, follow: follow(patch) }
      // The same link again, and nothing further away than it shows.
      expect(toQuery(back, defaults)).toBe(text)
      expect(Object.keys(back.layers).sort()).toEqual(Object.keys(state.layers).sort())
      expect([back.compare, back.selected, back.pinned, back.sample, back.theme]).toEqual([
        state.compare,
        state.selected,
        state.pinned,
        state.sample,
        state.theme,
      ])
      for (const field of Object.keys(limits) as (keyof typeof limits)[]) {
        const [a, b] = [state[field], back[field]]
        if (a === null || b === null) expect(a).toBe(b)
        else expect(Math.abs(a - b)).toBeLessThanOrEqual(0.5001 * 10 ** -limits[field].digits)
      }
      if (state.camera) {
        expect(Math.abs(back.camera!.distance / state.camera.distance - 1)).toBeLessThan(0.001)
        for (const axis of [0, 1, 2]) {
          const error = Math.abs(back.camera!.target[axis] - state.camera.target[axis])
          expect(error).toBeLessThan(state.camera.distance * 0.001)
        }
      }
    }
  })

  test('no text makes it throw', () => {
    const random = generator(2)
    const pieces = [
      'epoch',
      'layers',
      'pin',
      'camera',
      '=',
      '&',
      ':',
      ';',
      ',',
      '~',
      '%',
      '1',
      '-',
      '.',
      'e9',
      'a',
      '~2',
      '%zz',
      '\ud800',
      'ö',
    ]
    for (let i = 0; i < 5000; i++) {
      const text = Array.from({ length: random() * 30 }, () => pieces[Math.floor(random() * pieces.length)]).join('')
      const patch = fromQuery(text, context)
      expect(clampPatch(patch, context).rejected).toEqual([])
      toQuery({ ...defaults, ...patch }, defaults, text)
    }
  })
})

test('a link that follows the newest checkpoint names no epoch', () => {
  expect(link({ epoch: 4, follow: true, speed: 2, loop: true })).toBe('?speed=2&loop=1')
  expect(fromQuery('?epoch=4&follow=1&speed=99&loop=1', context)).toEqual({ epoch: 4, speed: 8, loop: true })
})

describe('undo', () => {
  const start = defaults
  const set = (history: History, state: State, patch: Partial<State>, now: number) => {
    const next = { ...state, ...patch }
    history.push(state, next, now)
    return next
  }
  const back = (history: History, state: State) => ({ ...state, ...history.undo() })

  test('back and forth', () => {
    const history = new History()
    expect([history.canUndo, history.canRedo, history.undo(), history.redo()]).toEqual([false, false, null, null])
    const a = set(history, start, { layout: 0 }, 0)
    const b = set(history, a, { theme: 'light', expansion: 2 }, 1)
    expect(history.undo()).toEqual({ theme: 'dark', expansion: 1 })
    expect(history.undo()).toEqual({ layout: 2 })
    expect([history.canUndo, history.canRedo]).toEqual([false, true])
    expect({ ...start, ...history.redo(), ...history.redo() }).toEqual(b)
    expect(history.canRedo).toBe(false)
  })

  test('to let go of the newest checkpoint is part of the move that does it', () => {
    const history = new History()
    let state = start
    for (let i = 1; i <= 5; i++) state = set(history, state, { epoch: 10 - i, follow: false }, i * 100)
    expect(history.undo()).toEqual({ epoch: 10, follow: true })
    expect([history.canUndo, history.redo()]).toEqual([false, { epoch: 5, follow: false }])
  })

  test('patches can be rewritten', () => {
    const history = new History()
    const a = set(history, start, { epoch: 4 }, 0)
    set(history, a, { epoch: 2, layout: 0 }, 1)
    history.undo()
    history.map(patch => (patch.epoch === undefined ? patch : { ...patch, epoch: patch.epoch * 10 }))
    expect([history.redo(), history.undo(), history.undo()]).toEqual([
      { epoch: 20, layout: 0 },
      { epoch: 40, layout: 2 },
      { epoch: 100 },
    ])
  })

  test('a drag is one change; a pause, another field or another layer begins a new one', () => {
    const history = new History()
    let state = start
    for (let i = 1; i <= 20; i++) state = set(history, state, { expansion: i / 20 }, i * 400)
    state = set(history, state, { expansion: 2 }, 20 * 400 + 500)
    state = set(history, state, { layout: 1 }, 8600)
    state = set(history, state, { layers: { a: { layout: 1 } } }, 8700)
    state = set(history, state, { layers: { a: { layout: 2 } } }, 8800)
    state = set(history, state, { layers: { a: { layout: 2 }, b: { layout: 2 } } }, 8900)
    const steps: unknown[] = []
    while (history.canUndo) {
      state = back(history, state)
      steps.push([state.expansion, state.layout, state.layers])
    }
    expect(steps).toEqual([
      [2, 1, { a: { layout: 2 } }],
      [2, 1, {}],
      [2, 2, {}],
      [1, 2, {}],
    ])
    expect(state).toEqual(start)
  })

  test('dragged away and back is nothing; equal objects are no change; panels and motion are not the view', () => {
    const history = new History()
    const away = set(history, start, { expansion: 2 }, 0)
    const home = set(history, away, { expansion: 1 }, 100)
    expect(history.canUndo).toBe(false)
    const pinned = set(history, home, { pinned: { layer: 'a' } }, 200)
    set(history, pinned, { pinned: { layer: 'a' }, panels: false, animate: false }, 1000)
    expect(history.undo()).toEqual({ pinned: null })
    expect(history.canUndo).toBe(false)
  })

  test('a new change ends redoing, and does not melt into an old one', () => {
    const history = new History()
    const a = set(history, start, { layout: 0 }, 0)
    const b = set(history, a, { expansion: 3 }, 100)
    const undone = back(history, b)
    const c = set(history, undone, { layout: 1 }, 200)
    expect(history.canRedo).toBe(false)
    expect(back(history, c)).toEqual(a)
    // Nor into one that was redone.
    const again = { ...a, ...history.redo() } as State
    const d = set(history, again, { layout: 2 }, 210)
    expect(back(history, d)).toEqual(again)
  })

  test('what changed outside of the view stays when undoing', () => {
    const history = new History()
    const a = set(history, start, { layout: 0 }, 0)
    expect(back(history, { ...a, panels: false })).toEqual({ ...start, panels: false })
  })

  test('the oldest are forgotten', () => {
    const history = new History(3)
    let state = start
    for (let i = 0; i < 10; i++) state = set(history, state, { sample: i + 1 }, i * 1000)
    let count = 0
    while (history.undo()) count++
    expect(count).toBe(3)
  })
})

function camera(yaw: number, pitch: number, distance: number): State['camera'] {
  return { target: [0, 0, 0], yaw, pitch, distance }
}

/** A small random generator, always the same: 0 ≤ x < 1. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

function randomState(random: () => number): State {
  const among = <T>(...values: T[]): T => values[Math.floor(random() * values.length)]
  const natural = (n: number) => Math.floor(random() * n)
  const id = () =>
    among('conv1', 'a.b', 'c/d', 'none', '__proto__', 'a:b;c,d=e', 'ö ~%+&', '"#?\n', '日本', '~20', 'home')
  const view = (): Partial<LayerView> => {
    const patch: Record<string, unknown> = {}
    for (const [field, { min, max, whole }] of Object.entries(limits)) {
      const value = min + random() * (Math.min(max, 5000) - min)
      if (random() < 0.3) patch[field] = whole ? Math.round(value) : value
    }
    if (random() < 0.3) patch.bundle = null
    if (random() < 0.3) patch.pixels = among('square', 'round')
    if (random() < 0.3) patch.weightTimesActivation = among(true, false)
    if (random() < 0.3) patch.weightColors = among('blue-red', 'purple-green')
    return patch
  }
  const layers = Array.from({ length: natural(3) }, () => [id(), { collapse: random(), ...view() }] as const)
  const pixel: Target = { layer: id(), map: natural(64), y: natural(28), x: natural(28) }
  return {
    ...defaults,
    ...view(),
    epoch: random() * 10,
    follow: false,
    sample: natural(20),
    compare: among<State['compare']>(
      null,
      { with: 'checkpoint', epoch: natural(1000) / 100, show: 'side' },
      { with: 'sample', sample: natural(20), show: 'difference' },
    ),
    theme: among('dark', 'light'),
    range: among('map', 'layer', 'network'),
    budget: among(null, natural(1e6)),
    layers: Object.fromEntries(layers),
    selected: among(null, id()),
    pinned: among<Target | null>(null, { layer: id() }, { layer: id(), map: natural(9) }, pixel),
    camera: among<State['camera']>(null, {
      target: [random() * 1000 - 500, random() - 0.5, 1e-3 * random()],
      yaw: random() * 720 - 360,
      pitch: random() * 180 - 90,
      distance: 10 ** (random() * 8 - 4),
    }),
    panels: among(true, false),
    animate: among(true, false),
  }
}
