/** What the panels leave free of the stage. */

export interface FreeArea {
  left: number
  top: number
  right: number
  bottom: number
}

let root: HTMLElement | null = null

export function setPanelsRoot(element: HTMLElement | null): void {
  root = element
}

/**
 * Insets in CSS px: how much of the stage is covered at each of its edges, in the present size and visibility.
 * Elements with `data-covers` count; all zero before the first render and while panels are hidden.
 */
export function freeArea(): FreeArea {
  const area = { left: 0, top: 0, right: 0, bottom: 0 }
  if (!root) return area
  const stage = root.getBoundingClientRect()
  for (const element of root.querySelectorAll<HTMLElement>('[data-covers]')) {
    const box = element.getBoundingClientRect()
    if (box.width === 0 || box.height === 0) continue
    const edge = element.dataset.covers as keyof FreeArea
    const covered = {
      left: box.right - stage.left,
      top: box.bottom - stage.top,
      right: stage.right - box.left,
      bottom: stage.bottom - box.top,
    }[edge]
    area[edge] = Math.max(area[edge], Math.max(0, covered))
  }
  return area
}
