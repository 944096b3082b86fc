import { expect, it } from 'vitest'
import { uncrowded } from './unit-labels'

it('keeps the predicted name and thins the others around it', () => {
  const column = Array.from({ length: 10 }, (_, i) => ({ x: 0, y: 8 * i }))
  const shown = uncrowded(column, 4)
  expect(shown[4]).toBe(true)
  // 8 px above and below the predicted one there is no room, and every second of the rest stands.
  expect(shown).toEqual([true, false, false, false, true, false, false, true, false, true])
})

it('shows all where there is room, and nothing that is off the screen', () => {
  const wide = Array.from({ length: 4 }, (_, i) => (i === 2 ? null : { x: 0, y: 20 * i }))
  expect(uncrowded(wide, 2)).toEqual([true, true, false, true])
})
