import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { CopyLink, FullScreen, HelpButton, Tool, UndoRedo } from './Actions'
import { Prediction, ScoreBars } from './ClassScores'
import { CompareButton } from './compare/ComparePanel'
import { Samples } from './Samples'
import { SavePicture } from './SavePicture'
import type { Ui } from './ui'

interface Props {
  model: ViewerModel
  ui: Ui
}

export function ThemeButton({ model }: { model: ViewerModel }): JSX.Element {
  const theme = useComputed(() => model.state.value.theme).value
  const other = theme === 'dark' ? 'light' : 'dark'
  return (
    <Tool
      glyph={theme === 'dark' ? 'sun' : 'moon'}
      name={`Use the ${other} theme`}
      onClick={() => model.set({ theme: other })}
    />
  )
}

export function HideButton({ model }: { model: ViewerModel }): JSX.Element {
  return <Tool glyph="panels" name="Hide the panels" hint="Tab" onClick={() => model.set({ panels: false })} />
}

/** Inputs at the left, what the network makes of them at the right. */
export function TopBar({ model, ui }: Props): JSX.Element {
  return (
    <section class="panel top-bar" data-covers="top" aria-label="Input and output">
      <Samples model={model} />
      <ScoreBars model={model} />
      <Prediction model={model} />
      <div class="tools" role="toolbar" aria-label="Actions">
        <UndoRedo model={model} />
        <Tool glyph="frame" name="Frame the whole network" hint="H" onClick={() => model.home()} />
        <FullScreen />
        <CopyLink model={model} />
        <CompareButton model={model} />
        <SavePicture model={model} ui={ui} />
        <ThemeButton model={model} />
        <HelpButton ui={ui} />
        <HideButton model={model} />
      </div>
    </section>
  )
}
