/** What happened in the training, kept up to date while it is being written, set on the axis of checkpoints. */
import { computed, effect, type ReadonlySignal, signal } from '@preact/signals'
import type { Insight } from '../generated/recording'
import { placer } from '../recording/metrics'
import type { Recording } from '../recording/types'

export interface PlacedInsight extends Insight {
  /** Where on the axis of checkpoints it appeared, as metrics; null where there is nothing to go by. */
  position: number | null
}

export class Insights {
  readonly placed: ReadonlySignal<readonly PlacedInsight[]>
  readonly dispose: () => void
  private readonly lines = signal<readonly Insight[]>([])

  /** `version`: of the file, where somebody tells; it is read again when that changes. */
  constructor(recording: Recording, version: ReadonlySignal<string | null>) {
    this.placed = computed(() => place(this.lines.value, recording.index.checkpoints))
    this.dispose = effect(() => {
      version.value
      // Nothing on the screen depends on it: what can't be read now is read with the next news.
      recording.insights().then(
        lines => {
          this.lines.value = lines
        },
        () => {},
      )
    })
  }
}

function place(insights: readonly Insight[], checkpoints: Recording['index']['checkpoints']): PlacedInsight[] {
  const at = placer(checkpoints)
  return insights.map(insight => ({ ...insight, position: at(insight) }))
}

/** Warnings before notes, of each the newest first. */
export function byWeight<T extends Insight>(insights: readonly T[]): T[] {
  const weight = (insight: Insight) => (insight.level === 'warning' ? 1 : 0)
  return insights
    .map((insight, i) => ({ insight, i }))
    .sort((a, b) => weight(b.insight) - weight(a.insight) || b.i - a.i)
    .map(({ insight }) => insight)
}

export interface InsightMark {
  position: number
  /** Those that appeared here or close by, in order. */
  insights: PlacedInsight[]
  level: Insight['level']
}

/** Marks of the timeline: insights closer together than `apart` (in positions) share one. */
export function marksOf(insights: readonly PlacedInsight[], apart: number): InsightMark[] {
  const marks: InsightMark[] = []
  const placed = insights.filter((i): i is PlacedInsight & { position: number } => i.position !== null)
  for (const insight of placed.toSorted((a, b) => a.position - b.position)) {
    const last = marks.at(-1)
    if (last && insight.position - last.position < apart) {
      last.insights.push(insight)
      if (insight.level === 'warning') last.level = 'warning'
    } else marks.push({ position: insight.position, insights: [insight], level: insight.level })
  }
  return marks
}
