import { useMemo } from 'preact/hooks'

let made = 0

/** A name that no other element of the page has; Preact's own ids repeat where a page holds two viewers. */
export function useName(): string {
  return useMemo(() => `cutaway-${++made}`, [])
}
