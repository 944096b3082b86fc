/** What the picture leaves out, as one calm line; more of it on request. */
import { useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'

export function Omissions({ model }: { model: ViewerModel }): JSX.Element | null {
  const all = useSignal(false)
  const text = useComputed(() => model.omissions.value.join('\n')).value
  if (text === '') return null
  const sentences = text.split('\n')
  const shown = all.value ? sentences : sentences.slice(0, 1)
  return (
    <div class="omissions" role="note" aria-label="Left out of the picture">
      {shown.map(sentence => (
        <p key={sentence}>{sentence}</p>
      ))}
      {sentences.length > 1 && (
        <button
          type="button"
          class="link"
          aria-expanded={all.value}
          onClick={() => {
            all.value = !all.value
          }}
        >
          {all.value ? 'less' : `and ${sentences.length - 1} more`}
        </button>
      )}
    </div>
  )
}

/** The foot of the stage: what is left out at its left. It takes room only while there is something to say. */
export function StageFoot({ model }: { model: ViewerModel }): JSX.Element | null {
  const any = useComputed(() => model.omissions.value.length > 0).value
  if (!any) return null
  return (
    <div class="stage-foot" data-covers="bottom">
      <Omissions model={model} />
    </div>
  )
}
