/** Computed and recorded values of whole recordings: the demo's and the tiny one's, every layer kind, all checkpoints. */
import { expect, test } from 'vitest'
import { agrees } from './agreement'
import { calculationAt, rememberedCalculation } from './at'
import { explained, load, openFolder } from './folder.testing'

test.each(['demo', 'tiny'])('%s: every layer, all checkpoints, many pixels give the recorded value', async name => {
  const recording = await openFolder(name)
  const on = explained(recording)
  let compared = 0
  for (const checkpoint of recording.index.checkpoints.keys()) {
    const sample = checkpoint % recording.index.samples.count
    await load(recording, checkpoint, sample)
    for (const layer of on.drawn.slice(1)) {
      const pixels = layer.rows * layer.columns
      const values = layer.maps * pixels
      // A step that has no factor in common with the sizes visits all maps, rows and columns.
      for (let at = 0; at < values; at += values > 400 ? 37 : 1) {
        const place = {
          map: Math.floor(at / pixels),
          y: Math.floor(at / layer.columns) % layer.rows,
          x: at % layer.columns,
        }
        const found = calculationAt(on, { epoch: checkpoint, sample }, { layer: layer.id, ...place })!
        expect(found).toMatchObject({ checkpoint, missing: [], ...place })
        expect(agrees(found), `${layer.id} ${JSON.stringify(place)}`).toBe(true)
        expect(Math.abs(found.difference!)).toBeLessThanOrEqual(1e-4 * Math.abs(found.recorded!) + 1e-9)
        compared++
      }
    }
  }
  expect(compared).toBeGreaterThan(name === 'demo' ? 5000 : 1000)
})

test('between two checkpoints, the nearest one counts', async () => {
  const recording = await openFolder('tiny')
  await load(recording, 1, 0)
  const on = explained(recording)
  const target = { layer: 'scores', map: 1 }
  expect(calculationAt(on, { epoch: 1.4, sample: 0 }, target)).toMatchObject({ checkpoint: 1, y: 0, x: 0 })
  expect(calculationAt(on, { epoch: 0.6, sample: 0 }, target)?.value).toBe(
    calculationAt(on, { epoch: 1, sample: 0 }, target)?.value,
  )
})

test('what is not in memory is asked for, and there is no calculation until it is', async () => {
  const recording = await openFolder('tiny')
  const on = explained(recording)
  const asked: string[] = []
  const ask = (layer: string, role: string, checkpoint: number) => asked.push(`${layer}/${role} ${checkpoint}`)
  const at = () => calculationAt(on, { epoch: 2, sample: 1 }, { layer: 'features.conv1', map: 0, y: 1, x: 1 }, ask)
  expect(at()).toBeNull()
  await recording.activations(2, 1)
  expect(at()).toBeNull()
  expect(asked).toContain('features.conv1/kernel 2')
  await load(recording, 2, 1)
  expect(at()?.missing).toEqual([])
})

test('the same place gives the same object, so that a camera that moves renders nothing', async () => {
  const recording = await openFolder('tiny')
  const at = rememberedCalculation(explained(recording))
  const target = { layer: 'dense', map: 2 }
  expect(at({ epoch: 0, sample: 0 }, target)).toBeNull()
  await load(recording, 0, 0)
  const first = at({ epoch: 0, sample: 0 }, target)
  expect(first).not.toBeNull()
  expect(at({ epoch: 0.4, sample: 0 }, { ...target })).toBe(first)
  expect(at({ epoch: 0, sample: 0 }, { ...target, map: 3 })).not.toBe(first)
})
