/** What each half of the stage shows, above it; in pictures too. */
import { element, move, setText, show } from '../scene/text-elements'
import type { Halves } from './halves'
import './heads.css'

/** One side in words. */
export interface SideWords {
  letter: string
  /** "epoch 9.0", "sample 3". */
  title: string
  /** What the network says, "7 98.2 %"; or what else is worth knowing. */
  note: string
}

export class Heads {
  readonly element = element('div', 'labels compare-heads')
  private readonly line = element('i', 'compare-line')
  private readonly heads = [0, 1].map(() => {
    const root = element('div', 'compare-head')
    root.append(element('b', 'letter'), element('span', 'title'), element('span', 'note'))
    return root
  })

  constructor() {
    this.element.setAttribute('aria-hidden', 'true')
    this.element.append(this.line, ...this.heads)
  }

  /** `halves`: null where both are one picture; then the words stand above its middle. */
  update(
    words: readonly SideWords[],
    area: { left: number; top: number; width: number; height: number },
    halves: Halves | null,
  ): void {
    this.element.hidden = words.length === 0
    show(this.line, halves !== null)
    for (const [i, head] of this.heads.entries()) {
      show(head, i < words.length)
      const said = words[i]
      if (!said) continue
      setText(head.children[0], said.letter)
      setText(head.children[1], said.title)
      setText(head.children[2], said.note)
      const [right, down] = halves?.parts[i].move ?? [0, 0]
      const middle = halves
        ? area.left + (halves.stacked ? area.width : area.width / 2) / 2
        : area.left + area.width / 2
      move(head, Math.round(middle + right), Math.round(area.top + down))
    }
    if (!halves) return
    const { clip } = halves.parts[1]
    this.line.classList.toggle('across', halves.stacked)
    if (halves.stacked) move(this.line, area.left, clip.top)
    else move(this.line, clip.left, area.top)
    this.line.style.width = halves.stacked ? `${area.width}px` : ''
    this.line.style.height = halves.stacked ? '' : `${area.height}px`
  }
}
