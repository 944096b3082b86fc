/** What only the panels know: folds, the sheet of the phone, the open tab. It isn't part of a link. */
import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'

export type Tab = 'layers' | 'inspect' | 'training' | 'calculation' | 'view' | 'input' | 'compare'
export type Fold = 'layers' | 'view' | 'inspector' | 'compare' | 'timeline'

export interface Ui {
  /** Size of the stage in CSS px; [0, 0] until it is measured. */
  size: Signal<readonly [number, number]>
  phone: ReadonlySignal<boolean>
  folded: Record<Fold, Signal<boolean>>
  /** The group of controls that is open; one at a time. */
  group: Signal<string | null>
  /** The controls are those of the selected layer, not of all layers. */
  ofLayer: Signal<boolean>
  help: Signal<boolean>
  /** What the training did lies open above the timeline. */
  training: Signal<boolean>
  /** The inspector shows how a layer changed. */
  overTime: Signal<boolean>
  tab: Signal<Tab>
  /** How far the sheet of the phone is pulled up, in px of its body. */
  sheet: Signal<number>
}

export const PHONE_WIDTH = 700
/** Height of the sheet's body at first, px: one row of kernels. */
export const SHEET_HEIGHT = 164

export function createUi(): Ui {
  const size = signal<readonly [number, number]>([window.innerWidth, window.innerHeight])
  const low = window.innerHeight < 560
  return {
    size,
    phone: computed(() => size.value[0] <= PHONE_WIDTH),
    folded: {
      layers: signal(low),
      view: signal(low),
      inspector: signal(low),
      compare: signal(low),
      timeline: signal(low),
    },
    group: signal(null),
    ofLayer: signal(false),
    help: signal(false),
    training: signal(false),
    overTime: signal(false),
    tab: signal<Tab>('inspect'),
    sheet: signal(SHEET_HEIGHT),
  }
}
