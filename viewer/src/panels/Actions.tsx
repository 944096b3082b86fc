/** What one does with a view: step back, take it along as an address, fill the screen, ask for help. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { copyText } from './copy-text'
import { Glyph, type GlyphName } from './icons'
import type { Ui } from './ui'

interface ToolProps {
  glyph: GlyphName
  name: string
  /** Its key, shown with the name. */
  hint?: string
  /** Text beside the icon, where there is room. */
  label?: string
  disabled?: boolean
  pressed?: boolean
  onClick(): void
}

export function Tool({ glyph, name, hint, label, disabled, pressed, onClick }: ToolProps): JSX.Element {
  return (
    <button
      type="button"
      class={label ? 'wide-button' : 'tool'}
      aria-label={label ? undefined : name}
      aria-pressed={pressed}
      // Not `disabled`: the focus would be lost with the last step back.
      aria-disabled={disabled || undefined}
      title={hint ? `${name} (${hint})` : name}
      onClick={() => {
        if (!disabled) onClick()
      }}
    >
      <Glyph name={glyph} />
      {label}
    </button>
  )
}

interface Props {
  model: ViewerModel
  /** With words, for the phone. */
  words?: boolean
}

export function UndoRedo({ model, words }: Props): JSX.Element {
  return (
    <>
      <Tool
        glyph="undo"
        name="Undo"
        hint="Ctrl Z"
        label={words ? 'Undo' : undefined}
        disabled={!model.canUndo.value}
        onClick={() => model.undo()}
      />
      <Tool
        glyph="redo"
        name="Redo"
        hint="Ctrl Shift Z"
        label={words ? 'Redo' : undefined}
        disabled={!model.canRedo.value}
        onClick={() => model.redo()}
      />
    </>
  )
}

const SAID_MS = 1600

export function CopyLink({ model, words }: Props): JSX.Element {
  const said = useSignal('')
  const timer = useRef(0)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = async () => {
    const link = model.link()
    said.value = (await copyText(link)) ? 'copied' : `This browser does not let pages copy. The address: ${link}`
    clearTimeout(timer.current)
    timer.current = window.setTimeout(
      () => {
        said.value = ''
      },
      said.value === 'copied' ? SAID_MS : 12_000,
    )
  }
  return (
    <div class="popover-root">
      <Tool
        glyph={said.value === 'copied' ? 'check' : 'link'}
        name="Copy a link to this view"
        label={words ? (said.value === 'copied' ? 'Copied' : 'Copy link') : undefined}
        onClick={copy}
      />
      <span class={`bubble ${words && said.value === 'copied' ? 'for-readers' : ''}`} role="status">
        {said}
      </span>
    </div>
  )
}

export function FullScreen({ words }: Omit<Props, 'model'>): JSX.Element | null {
  const on = useSignal(document.fullscreenElement !== null)
  const root = useRef<HTMLSpanElement>(null)
  useEffect(() => {
    const onChange = () => {
      on.value = document.fullscreenElement !== null
    }
    document.addEventListener('fullscreenchange', onChange)
    return () => document.removeEventListener('fullscreenchange', onChange)
  }, [on])
  if (!document.fullscreenEnabled) return null
  const name = on.value ? 'Leave full screen' : 'Full screen'
  return (
    <span ref={root} class="contents">
      <Tool
        glyph={on.value ? 'shrink' : 'fullscreen'}
        name={name}
        label={words ? name : undefined}
        onClick={() => {
          // In a notebook the viewer fills the screen, not the page around it.
          const stage = root.current?.closest('.cutaway') ?? document.documentElement
          const done = document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen()
          done.catch(() => {})
        }}
      />
    </span>
  )
}

export function HelpButton({ ui, words }: { ui: Ui; words?: boolean }): JSX.Element {
  return (
    <Tool
      glyph="help"
      name="Keys, mouse and touch"
      hint="?"
      label={words ? 'Help' : undefined}
      onClick={() => {
        ui.help.value = true
      }}
    />
  )
}
