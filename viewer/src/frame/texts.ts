/** All that is written on the stage: names, what two halves are, the sums of one calculation. */
import type { ReadonlySignal } from '@preact/signals'
import type { Comparison } from '../compare/comparison'
import { CompareTexts } from '../compare/texts'
import { sideWords } from '../compare/words'
import type { Calculation } from '../explain/calculation'
import type { DrawnLayer } from '../layout/drawn'
import type { Scores } from '../model'
import type { Readings } from '../readings'
import type { Recording } from '../recording/types'
import { Labels } from '../scene/labels'
import type { NamedUnits } from '../scene/unit-labels'
import { ValueTags } from '../scene/value-tags'
import { classNames } from '../scores'
import type { State, Target } from '../state'
import type { StageArea } from './area'
import type { Scene } from './scene'

export interface Titled {
  recording: Recording
  drawn: readonly DrawnLayer[]
  state: ReadonlySignal<State>
  inspected: ReadonlySignal<Target | null>
  scores: ReadonlySignal<Scores | null>
  calculation: ReadonlySignal<Calculation | null>
  readings: Readings
  comparison: Comparison
}

/** More units than this have no names: they would cover each other. */
const MOST_UNITS = 40

export class StageTexts {
  private readonly labels: Labels
  private readonly compared: CompareTexts
  private readonly tags = new ValueTags()

  constructor(
    private readonly on: Titled,
    private readonly scene: Scene,
    private readonly area: StageArea,
  ) {
    this.labels = new Labels(on.drawn)
    this.compared = new CompareTexts(on.drawn)
  }

  get elements(): HTMLElement[] {
    return [this.labels.element, this.tags.element, ...this.compared.elements]
  }

  /** Those that belong to what is shown now. */
  get written(): HTMLElement[] {
    return this.scene.only ? [this.tags.element] : [this.labels.element, ...this.compared.elements]
  }

  /** Sizes change when fonts have arrived. */
  measure(): void {
    this.labels.measure()
    this.compared.measure()
  }

  /** Call after the frame whose texts they are. */
  update(): void {
    const { drawn, readings, comparison, calculation, inspected } = this.on
    const { only, matrix, camera } = this.scene
    const { halves, viewport, whole, portrait } = this.area
    const placement = this.scene.placement!
    const lit = drawn.findIndex(l => l.id === inspected.value?.layer)
    const fromRight = Math.sin((camera.yaw * Math.PI) / 180) > 0
    const other = comparison.other.value
    const look = { portrait, fromRight, lit: lit < 0 ? null : lit }
    // A difference is nobody's prediction.
    const units = this.units(other && !halves ? null : readings)
    this.labels.element.hidden = only !== null
    if (!only) this.labels.update(placement, matrix, viewport, look, units)
    const unitsOfB = this.units(other?.readings ?? null)
    this.compared.update(placement, matrix, look, unitsOfB, halves, sideWords(this.on), whole)
    this.tags.update(only ? calculation.value : null, drawn, placement, matrix, viewport)
  }

  /** Names of the output's units, where they are classes, and the prediction among them; null: nobody's. */
  private units(readings: Readings | null): NamedUnits | null {
    const { output } = this.on.readings
    if (!output || output.maps > MOST_UNITS) return null
    const scores = readings?.scores.value ?? null
    return {
      layer: output.index,
      names: classNames(this.on.recording.index, output.maps),
      prediction: scores?.prediction ?? -1,
      score: scores ? scores.values[scores.prediction] : 0,
    }
  }

  remove(): void {
    for (const element of this.elements) element.remove()
  }
}
