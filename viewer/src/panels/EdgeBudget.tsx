/** How many edges are drawn at most: by the machine, or set by hand. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { Chip } from './Choices'
import { Slider } from './Slider'

export function Budget({ model }: { model: ViewerModel }): JSX.Element {
  const auto = useComputed(() => model.state.value.budget === null)
  const value = useComputed(() => model.state.value.budget ?? model.edgeBudget())
  const set = (budget: number | null) => model.set({ budget })
  return (
    <Slider
      label="most edges"
      value={value}
      min={0}
      max={2_000_000}
      middle={200_000}
      step={1000}
      digits={0}
      extra={
        <Chip pressed={auto} title="What suits this machine" onClick={() => set(null)}>
          auto
        </Chip>
      }
      // Hundreds are enough: a drag would else stop at numbers like 103,517.
      onChange={v => set(v < 2000 ? v : Math.round(v / 100) * 100)}
      onReset={() => set(null)}
    />
  )
}
