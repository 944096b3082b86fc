import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { Prediction, ScoreBars } from './ClassScores'
import { Glyph } from './icons'
import { Samples } from './Samples'

export function ThemeButton({ model }: { model: ViewerModel }): JSX.Element {
  const theme = useComputed(() => model.state.value.theme).value
  const other = theme === 'dark' ? 'light' : 'dark'
  return (
    <button
      type="button"
      class="tool"
      aria-label={`Use the ${other} theme`}
      title={`Use the ${other} theme`}
      onClick={() => model.set({ theme: other })}
    >
      <Glyph name={theme === 'dark' ? 'sun' : 'moon'} />
    </button>
  )
}

/** Inputs at the left, what the network makes of them at the right. */
export function TopBar({ model }: { model: ViewerModel }): JSX.Element {
  return (
    <section class="panel top-bar" data-covers="top" aria-label="Input and output">
      <Samples model={model} />
      <ScoreBars model={model} />
      <Prediction model={model} />
      <div class="tools">
        <button
          type="button"
          class="tool"
          aria-label="Frame the whole network"
          title="Frame the whole network (H)"
          onClick={() => model.home()}
        >
          <Glyph name="frame" />
        </button>
        <ThemeButton model={model} />
        <button
          type="button"
          class="tool"
          aria-label="Hide the panels"
          title="Hide the panels (Tab)"
          onClick={() => model.set({ panels: false })}
        >
          <Glyph name="panels" />
        </button>
      </div>
    </section>
  )
}
