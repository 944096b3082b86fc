/** What is under the cursor, beside the cursor. Moves without rendering anything. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { formatValue } from '../numbers'
import { comparedWords } from './compare/words'
import { edgeValue, edgeWords } from './edge-words'
import { targetWords } from './text'

const OFFSET = 16

export function Tooltip({ model }: { model: ViewerModel }): JSX.Element {
  const element = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const onMove = (event: PointerEvent) => {
      const tip = element.current
      const box = tip?.offsetParent?.getBoundingClientRect()
      if (!tip || !box) return
      const x = event.clientX - box.left
      const y = event.clientY - box.top
      // Turned to the other side of the cursor where it would leave the stage; above a finger.
      const left = x + OFFSET + tip.offsetWidth > box.width ? x - OFFSET - tip.offsetWidth : x + OFFSET
      const above = event.pointerType === 'touch' || y + OFFSET + tip.offsetHeight > box.height
      const top = above ? y - OFFSET - tip.offsetHeight : y + OFFSET
      tip.style.transform = `translate(${Math.round(Math.max(4, left))}px, ${Math.round(Math.max(4, top))}px)`
    }
    window.addEventListener('pointermove', onMove, { passive: true })
    window.addEventListener('pointerdown', onMove, { passive: true })
    return () => {
      window.removeEventListener('pointermove', onMove)
      window.removeEventListener('pointerdown', onMove)
    }
  }, [])
  const words = useComputed(() => {
    const hover = model.hover.value
    if (hover) return targetWords(hover, model.recording.index)
    const edge = model.hoveredEdge.value
    return edge ? edgeWords(edge, model.recording.index) : ''
  })
  const value = useComputed(() => {
    const hover = model.hover.value
    const edge = model.hoveredEdge.value
    if (!hover && edge?.other != null && edge.side) return comparedWords(edge.sum, edge.other, edge.side)
    if (!hover && edge) return edgeValue(edge)
    if (hover?.side && hover.value !== null && hover.other != null)
      return comparedWords(hover.value, hover.other, hover.side)
    // A map as a whole has no value; a pixel has one, or was not recorded.
    if (!hover || (hover.y === undefined && hover.value === null)) return ''
    return hover.value === null ? 'not recorded' : formatValue(hover.value)
  })
  const visible = useComputed(() => model.hover.value !== null || model.hoveredEdge.value !== null).value
  return (
    <div ref={element} class={`tooltip ${visible ? 'visible' : ''}`} aria-hidden="true">
      <span>{words}</span>
      <b>{value}</b>
    </div>
  )
}
