import type { Recording } from '../../recording/types'

/** The layer whose outputs are class scores; null where the network has no such. */
export function scoresLayer(recording: Recording): string | null {
  const { network, classes, samples, completeness } = recording.index
  const id = network.outputs[0]
  const shape = network.layers.find(layer => layer.id === id)?.output_shapes?.[0]
  if (samples.count === 0 || !completeness.activations || shape?.length !== 1 || shape[0] < 2) return null
  return classes && classes.length !== shape[0] ? null : id
}

/** Scores of all samples: from the checkpoint's summary, or one small request a sample where that has none. */
export async function allScores(recording: Recording, output: string, checkpoint: number): Promise<number[][]> {
  const summed = await recording.scores(checkpoint, output)
  if (summed) return summed
  const samples = Array.from({ length: recording.index.samples.count }, (_, i) => i)
  const outputs = samples.map(sample => recording.output(checkpoint, sample, output))
  return (await Promise.all(outputs)).map(values => Array.from(values))
}

/** Scores of one sample, likewise. */
export async function sampleScores(
  recording: Recording,
  output: string,
  checkpoint: number,
  sample: number,
): Promise<number[]> {
  const summed = (await recording.scores(checkpoint, output))?.[sample]
  return summed ?? Array.from(await recording.output(checkpoint, sample, output))
}
