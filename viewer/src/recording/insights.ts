/** insights.jsonl: what happened in the training, one line each. */
import type { Insight } from '../generated/recording'
import { parseJson } from './json'

/** One line; null where it is none: the last one may still be being written. */
export function parseInsight(line: string): Insight | null {
  let json: unknown
  try {
    json = parseJson(line)
  } catch {
    return null
  }
  if (typeof json !== 'object' || json === null) return null
  const { rule, level, text, why, ...rest } = json as Partial<Insight>
  if (typeof text !== 'string' || (level !== 'warning' && level !== 'note')) return null
  return { rule: String(rule ?? ''), level, text, why: String(why ?? ''), ...rest }
}
