/** Term by term against NumPy: tests/fixtures/calculations.json, written by tests/fixtures/make_calculations.py. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Layer, Network } from '../generated/recording'
import { connections } from '../layout/connections'
import { drawnLayers } from '../layout/drawn'
import { calculationAt } from './at'
import { calculate } from './calculate'
import type { Calculation } from './calculation'
import { explained, load, openFolder } from './folder.testing'

type Matrix = (number | null)[][]
interface Terms {
  operation: string
  parts: { map: number; patch: Matrix; kernel?: Matrix; products: Matrix; sum: number }[]
  bias: number | null
  preActivation: number
  steps: [name: string, value: number][]
  value: number
}
type Place = [map: number, y: number, x: number]
interface File {
  recorded: {
    recording: string
    checkpoint: number
    sample: number
    layer: string
    place: Place
    recorded: number
    terms: Terms
  }[]
  made: {
    layer: Layer
    inputs: { shape: number[]; data: number[] }[]
    parameters: Record<string, number[]>
    values: { place: Place; terms: Terms }[]
  }[]
}

const file: File = JSON.parse(
  readFileSync(new URL('../../../tests/fixtures/calculations.json', import.meta.url), 'utf8'),
)

/** Equal to 1e-12: both sides compute in double precision. */
function expectClose(found: unknown, expected: unknown, where: string): void {
  if (typeof expected === 'number') {
    expect(Math.abs((found as number) - expected), `${where}: ${found} against ${expected}`).toBeLessThan(
      1e-12 * Math.max(1, Math.abs(expected)),
    )
  } else if (Array.isArray(expected)) {
    expect(found, where).toHaveLength(expected.length)
    for (const [i, value] of expected.entries()) expectClose((found as unknown[])[i], value, `${where}[${i}]`)
  } else expect(found, where).toEqual(expected)
}

function expectTerms(found: Calculation, expected: Terms): void {
  expect(found.operation).toBe(expected.operation)
  expect(found.parts.map(part => part.map)).toEqual(expected.parts.map(part => part.map))
  for (const [i, part] of expected.parts.entries()) {
    for (const field of ['patch', 'kernel', 'products', 'sum'] as const) {
      expectClose(found.parts[i][field] ?? undefined, part[field], `part ${i} ${field}`)
    }
  }
  expectClose(found.bias, expected.bias, 'bias')
  expectClose(found.preActivation, expected.preActivation, 'before')
  expectClose(
    found.steps.map(step => [step.name, step.value]),
    expected.steps,
    'steps',
  )
  expectClose(found.value, expected.value, 'value')
}

describe('values of recordings', () => {
  test.each(file.recorded)('$recording $layer $place', async ({ recording: name, checkpoint, sample, ...expected }) => {
    const recording = await openFolder(name)
    await load(recording, checkpoint, sample)
    const [map, y, x] = expected.place
    const target = { layer: expected.layer, map, y, x }
    const found = calculationAt(explained(recording), { epoch: checkpoint, sample }, target)!
    expectTerms(found, expected.terms)
    expect(found.recorded).toBe(expected.recorded)
    expect(found.missing).toEqual([])
  })
})

describe('one layer of each kind', () => {
  test.each(file.made)('$layer.kind $layer.fused $layer.attributes', ({ layer, inputs, parameters, values }) => {
    const sources = inputs.map(({ shape }, i): Layer => {
      return { id: `input${i}`, name: `input${i}`, kind: 'input', output_shapes: [shape] }
    })
    const network: Network = { layers: [...sources, layer], inputs: sources.map(s => s.id), outputs: [layer.id] }
    const drawn = drawnLayers(network)
    const to = drawn.at(-1)!
    for (const { place, terms } of values) {
      const found = calculate({
        network,
        to,
        links: connections(network, drawn),
        drawn,
        map: place[0],
        y: place[1],
        x: place[2],
        checkpoint: 0,
        parameter: role => ({
          shape: layer.parameters!.find(p => p.role === role)!.shape,
          data: Float32Array.from(parameters[role]),
        }),
        output: id => (id === layer.id ? null : Float32Array.from(inputs[sources.findIndex(s => s.id === id)].data)),
        missing: [],
        biases: true,
      })!
      expectTerms(found, terms)
      expect(found).toMatchObject({ recorded: null, difference: null, missing: [] })
    }
  })
})
