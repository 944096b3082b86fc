/** What could not be loaded or drawn, in calm sentences that can be put away. */
import { useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { Glyph } from './icons'

export function Notices({ model }: { model: ViewerModel }): JSX.Element {
  // By key and text: the same trouble with other words is news again.
  const dismissed = useSignal<ReadonlySet<string>>(new Set())
  const shown = useComputed(() => model.notices.value.filter(n => !dismissed.value.has(`${n.key}\n${n.text}`))).value
  return (
    <div class="notices" role="status">
      {shown.slice(0, 3).map(notice => (
        <p key={notice.key} class="panel notice">
          <span>{notice.text}</span>
          {notice.remedy === 'reload' && (
            <button type="button" class="remedy" onClick={() => location.reload()}>
              Reload
            </button>
          )}
          <button
            type="button"
            class="fold"
            aria-label="Dismiss"
            onClick={() => {
              dismissed.value = new Set([...dismissed.peek(), `${notice.key}\n${notice.text}`])
            }}
          >
            <Glyph name="cross" size={11} />
          </button>
        </p>
      ))}
      {shown.length > 3 && <p class="panel notice">and {shown.length - 3} more</p>}
    </div>
  )
}
