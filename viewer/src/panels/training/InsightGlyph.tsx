import type { JSX } from 'preact'
import type { Insight } from '../../generated/recording'

/** A filled triangle for a warning, a ring for a note. */
export function InsightShape({ level }: { level: Insight['level'] }): JSX.Element {
  return level === 'warning' ? (
    <path class="insight warning" d="M0 -4.6L4.8 3.8H-4.8Z" />
  ) : (
    <circle class="insight note" r="3.2" />
  )
}

export function InsightGlyph({ level }: { level: Insight['level'] }): JSX.Element {
  return (
    <svg class="insight-glyph" width="14" height="14" viewBox="-7 -7 14 14" role="img" aria-label={level}>
      <InsightShape level={level} />
    </svg>
  )
}
