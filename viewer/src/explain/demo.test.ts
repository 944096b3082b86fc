/** Computed and recorded values of whole recordings: the demo's and the tiny one's, every layer kind, all checkpoints. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { connections } from '../layout/connections'
import { drawnLayers } from '../layout/drawn'
import { type OpenedRecording, openRecording } from '../recording/tensors'
import { MemorySource } from '../source/memory'
import { agrees, calculationAt, type Explained } from './at'

const FOLDERS = { demo: '../../../src/cutaway/demo/recording/', tiny: '../../../tests/fixtures/tiny/' }

export async function openFolder(path: string): Promise<OpenedRecording> {
  const folder = fileURLToPath(new URL(path, import.meta.url))
  const keys = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.includes('.'))
  const files = keys.map(key => [key.replaceAll('\\', '/'), new Uint8Array(readFileSync(folder + key)).buffer] as const)
  return openRecording(new MemorySource(files))
}

export function explained(recording: OpenedRecording): Explained {
  const { network } = recording.index
  const drawn = drawnLayers(network)
  return { recording, drawn, links: connections(network, drawn) }
}

async function load(recording: OpenedRecording, checkpoint: number, sample: number): Promise<void> {
  await recording.activations(checkpoint, sample)
  for (const layer of recording.index.network.layers) {
    for (const { role } of layer.parameters) await recording.parameter(layer.id, role, checkpoint)
  }
}

describe.each(Object.entries(FOLDERS))('%s', (_, folder) => {
  test('every layer, all checkpoints, many pixels: the terms give the recorded value', async () => {
    const recording = await openFolder(folder)
    const on = explained(recording)
    let compared = 0
    let worst = 0
    for (const checkpoint of recording.index.checkpoints.keys()) {
      const sample = checkpoint % recording.index.samples.count
      await load(recording, checkpoint, sample)
      for (const layer of on.drawn.slice(1)) {
        const values = layer.maps * layer.rows * layer.columns
        // A step that has no factor in common with the sizes visits all maps, rows and columns.
        for (let at = 0; at < values; at += values > 400 ? 37 : 1) {
          const target = {
            layer: layer.id,
            map: Math.floor(at / (layer.rows * layer.columns)),
            y: Math.floor(at / layer.columns) % layer.rows,
            x: at % layer.columns,
          }
          const calculation = calculationAt(on, { epoch: checkpoint, sample }, target)!
          const { value, recorded, difference } = calculation
          expect(calculation.checkpoint).toBe(checkpoint)
          expect(calculation.missing).toEqual([])
          expect(agrees(calculation), `${JSON.stringify(target)}: ${value} against ${recorded}`).toBe(true)
          const relative = Math.abs(difference!) / Math.max(Math.abs(recorded!), 1e-6)
          worst = Math.max(worst, relative)
          compared++
        }
      }
    }
    expect(compared).toBeGreaterThan(300)
    expect(worst).toBeLessThan(1e-4)
  })
})
