/** Which byte ranges to ask for, so that many tensors cost few requests. */
import { BadRecording } from './errors'
import { decode, type Entry, widthOf } from './safetensors'
import type { SampleActivations, Tensor } from './types'

/** Entries that are read with one request, `begin` to `end` of the file. */
export interface Run {
  begin: number
  end: number
  names: string[]
}

/** Joins entries whose distance in the file is at most `gap` bytes. */
export function planRuns(entries: ReadonlyMap<string, Entry>, gap: number): Run[] {
  const sorted = [...entries].sort(([, a], [, b]) => a.begin - b.begin)
  const runs: Run[] = []
  for (const [name, { begin, end }] of sorted) {
    const run = runs.at(-1)
    if (run && begin - run.end <= gap) {
      run.end = Math.max(run.end, end)
      run.names.push(name)
    } else {
      runs.push({ begin, end, names: [name] })
    }
  }
  return runs
}

/**
 * A run decoded as one array, without copying where it is float32; null where that can't be done (several dtypes, or a
 * gap that is no whole number of values).
 */
export function runInPlace(
  run: Run,
  entries: ReadonlyMap<string, Entry>,
  buffer: ArrayBuffer,
): SampleActivations | null {
  const { dtype } = entries.get(run.names[0])!
  const width = widthOf(dtype)
  const offset = new Map<string, number>()
  for (const name of run.names) {
    const entry = entries.get(name)!
    const start = (entry.begin - run.begin) / width
    if (entry.dtype !== dtype || !Number.isInteger(start)) return null
    offset.set(name, start)
  }
  return { data: decode(dtype, buffer, 0, (run.end - run.begin) / width), offset }
}

/** Several runs, decoded into one array without gaps. */
export function packRuns(
  runs: readonly Run[],
  entries: ReadonlyMap<string, Entry>,
  buffers: readonly ArrayBuffer[],
): SampleActivations {
  let count = 0
  for (const { shape } of entries.values()) count += valuesOf(shape)
  const data = new Float32Array(count)
  const offset = new Map<string, number>()
  let at = 0
  for (const [i, run] of runs.entries()) {
    for (const name of run.names) {
      const values = decodeTensor(entries.get(name)!, buffers[i], run.begin).data
      data.set(values, at)
      offset.set(name, at)
      at += values.length
    }
  }
  return { data, offset }
}

/** One tensor; `buffer` starts at byte `begin` of the file. */
export function decodeTensor(entry: Entry, buffer: ArrayBuffer, begin: number): Tensor {
  return { shape: entry.shape, data: decode(entry.dtype, buffer, entry.begin - begin, valuesOf(entry.shape)) }
}

export function valuesOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1)
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i])
}

/** Throws BadRecording where a tensor has another shape than the network says. */
export function checkShape(key: string, name: string, shape: readonly number[], expected: readonly number[]): void {
  if (sameShape(shape, expected)) return
  throw new BadRecording(key, `${name} has the shape ${shape.join('×')}, the network says ${expected.join('×')}`)
}
