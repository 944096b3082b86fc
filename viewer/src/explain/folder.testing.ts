/** Recordings on disk, in memory for tests. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { connections } from '../layout/connections'
import { drawnLayers } from '../layout/drawn'
import { type OpenedRecording, openRecording } from '../recording/tensors'
import { MemorySource } from '../source/memory'
import type { Explained } from './at'

export const FOLDERS: Record<string, string> = {
  demo: '../../../src/cutaway/demo/recording/',
  tiny: '../../../tests/fixtures/tiny/',
}

export async function openFolder(name: string): Promise<OpenedRecording> {
  const folder = fileURLToPath(new URL(FOLDERS[name], import.meta.url))
  const keys = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(key => key.includes('.'))
  const files = keys.map(key => [key.replaceAll('\\', '/'), new Uint8Array(readFileSync(folder + key)).buffer] as const)
  return openRecording(new MemorySource(files))
}

export function explained(recording: OpenedRecording): Explained {
  const { network } = recording.index
  const drawn = drawnLayers(network)
  return { recording, drawn, links: connections(network, drawn) }
}

/** Everything that calculations of a sample at a checkpoint read. */
export async function load(recording: OpenedRecording, checkpoint: number, sample: number): Promise<void> {
  await recording.activations(checkpoint, sample)
  for (const layer of recording.index.network.layers) {
    for (const { role } of layer.parameters) await recording.parameter(layer.id, role, checkpoint)
  }
}
