/** Controls in groups behind small buttons; one group is open at a time, so that the panel stays short. */
import { type Signal, useComputed } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import type { LayerView } from '../state'
import { isOwn, resetField, type Scope } from './fields'
import { Glyph } from './icons'
import { useName } from './use-name'

export interface GroupOf {
  name: string
  /** What the group sets: a dot says that something in it stands out. */
  keys: readonly (keyof LayerView)[]
  /** Made when the group is open. */
  content(): ComponentChildren
}

interface Props {
  model: ViewerModel
  scope: Scope
  open: Signal<string | null>
  groups: GroupOf[]
}

export function Groups({ model, scope, open, groups }: Props): JSX.Element {
  const id = useName()
  const chosen = groups.find(group => group.name === open.value)
  const section = useRef<HTMLElement>(null)
  const before = useRef(chosen?.name)
  // What was opened comes into sight where the panel has to scroll.
  useLayoutEffect(() => {
    if (chosen && chosen.name !== before.current) section.current?.scrollIntoView({ block: 'start' })
    before.current = chosen?.name
  }, [chosen?.name])
  return (
    <section ref={section} class={`groups ${chosen ? 'open' : ''}`} aria-label="More controls">
      <div class="group-buttons">
        {groups.map(({ name, keys }) => (
          <GroupButton key={name} model={model} scope={scope} open={open} name={name} keys={keys} controls={id} />
        ))}
      </div>
      <div id={id} class="group">
        {chosen?.content()}
      </div>
    </section>
  )
}

type ButtonProps = Pick<Props, 'model' | 'scope' | 'open'> & Pick<GroupOf, 'name' | 'keys'> & { controls: string }

function GroupButton({ model, scope, open, name, keys, controls }: ButtonProps): JSX.Element {
  const isOpen = useComputed(() => open.value === name).value
  const marked = useComputed(() => keys.some(key => isOwn(model, scope, key))).value
  return (
    <button
      type="button"
      aria-expanded={isOpen}
      aria-controls={controls}
      onClick={() => {
        open.value = isOpen ? null : name
      }}
    >
      {name}
      {marked && <i class={`dot ${scope === null ? '' : 'own'}`} title="Something in here was changed" />}
      <Glyph name={isOpen ? 'up' : 'down'} size={11} />
    </button>
  )
}

interface ResetProps {
  model: ViewerModel
  scope: Scope
  field: keyof LayerView
  label: string
}

/** The dot beside a value that stands out; it takes the value back. */
export function Reset({ model, scope, field, label }: ResetProps): JSX.Element | null {
  const own = useComputed(() => isOwn(model, scope, field)).value
  if (!own) return null
  const words = scope === null ? `Reset ${label}` : `Reset ${label} to that of all layers`
  return (
    <button
      type="button"
      class={`reset ${scope === null ? '' : 'own'}`}
      aria-label={words}
      title={words}
      onClick={event => {
        // The button goes with the value; the focus moves on to the control itself.
        const row = event.currentTarget.closest('.slider, .pair, .layout-control')
        resetField(model, scope, field)
        row?.querySelector<HTMLElement>('input')?.focus()
      }}
    >
      <i class="dot" />
      <Glyph name="reset" size={11} />
    </button>
  )
}
