/** What the rest of the viewer may ask of an opened recording. Nothing here knows where the bytes come from. */
import type { Index, Insight, LayerSummary } from '../generated/recording'
import type { News } from '../source/source'

/** A tensor in canonical axes. `data` holds the exact recorded values, as float32. */
export interface Tensor {
  shape: number[]
  data: Float32Array
}

/** All recorded outputs of one sample at one checkpoint: one array, one byte range, where the recording lays it out so. */
export interface SampleActivations {
  data: Float32Array
  /** layer id -> where its output (row-major, canonical axes) starts in `data`, in values. Layers not recorded are absent. */
  offset: Map<string, number>
}

/** One line of metrics.jsonl. */
export interface MetricLine {
  step: number | null
  epoch: number | null
  values: Record<string, number>
}

/** With `position`: where it falls on the axis of checkpoints (0 … n − 1, real; beyond it what no checkpoint covers yet). */
export interface MetricRow extends MetricLine {
  position: number
}

/**
 * `checkpoint` arguments are positions in `index.checkpoints`. While a training runs, checkpoints come and may go again:
 * what is kept for longer than a moment is kept by the checkpoint's own `index`, which names its files and never changes.
 */
export interface Recording {
  /** A signal stands behind it: what reads it while it draws or computes follows `refresh` by itself. */
  readonly index: Index
  /**
   * Reads the index again; whether it says something new. The network stays the same object.
   * Rejects with AnotherRecording, BadRecording, KeyMissing or SourceUnreachable, and everything stays as it was.
   */
  refresh(): Promise<boolean>
  /** Called with the index as it was and as it is now, before anything else sees the new one. */
  onRefresh(listener: (before: Index, after: Index) => void): void
  /** As the source's `watch`; a source without it never calls. */
  watch(on: (news: News | null) => void): () => void
  /** A parameter tensor. Rejects with TensorMissing, BadRecording or SourceUnreachable. Resolved values are cached. */
  parameter(layer: string, role: string, checkpoint: number): Promise<Tensor>
  /** What `parameter` resolves to, if it is in memory already. */
  parameterNow(layer: string, role: string, checkpoint: number): Tensor | null
  activations(checkpoint: number, sample: number): Promise<SampleActivations>
  activationsNow(checkpoint: number, sample: number): SampleActivations | null
  /** The output of one layer alone: what a history over all checkpoints needs, in one small request each. */
  output(checkpoint: number, sample: number, layer: string): Promise<Float32Array>
  outputNow(checkpoint: number, sample: number, layer: string): Float32Array | null
  /** Summaries by layer id; an empty object when the recording has none. */
  summary(checkpoint: number): Promise<Record<string, LayerSummary>>
  summaryNow(checkpoint: number): Record<string, LayerSummary> | null
  /** What the layer `output` put out for all samples, [sample][class], as the summary tells it; null where it does not. */
  scores(checkpoint: number, output: string): Promise<number[][] | null>
  scoresNow(checkpoint: number, output: string): number[][] | null
  /** All lines of metrics.jsonl so far; only those that were added since the last call are fetched. */
  metrics(): Promise<readonly MetricLine[]>
  /** All lines of insights.jsonl, likewise. */
  insights(): Promise<readonly Insight[]>
  /** Pictures as people see them: all samples, [sample, H, W, C], 0 … 255. */
  images(): Promise<{ shape: [number, number, number, number]; data: Uint8Array }>
  /** Bytes received so far, and bytes held in memory. */
  readonly bytesFetched: number
  readonly bytesHeld: number
}
