/** The layers by how much they changed from A to B. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { ViewerModel } from '../../model'
import { formatPercent } from '../../numbers'

/** Every layer by how much it changed, the most first; a click goes there. */
export function MostChanged({ model }: { model: ViewerModel }): JSX.Element | null {
  // The model lists them anew whenever anything arrives; only another list is rendered.
  const key = useComputed(() => JSON.stringify(model.comparison.changes.value)).value
  const changes = useMemo(() => model.comparison.changes.peek(), [key])
  const kind = useComputed(() => model.state.value.compare?.with).value
  const selected = useComputed(() => model.state.value.selected).value
  if (changes.length === 0) return <p class="empty">nothing to compare yet</p>
  const most = Math.max(...changes.map(c => c.share).filter(Number.isFinite))
  return (
    <section class="changes">
      <h3 title={kind === 'sample' ? '‖output of B − output of A‖ / ‖output of A‖' : '‖w of B − w of A‖ / ‖w of A‖'}>
        Most changed {kind === 'sample' ? 'outputs' : 'weights'}
      </h3>
      <ol>
        {changes.map(({ layer, name, share, exact }) => (
          <li key={layer}>
            <button
              type="button"
              aria-pressed={layer === selected}
              title={exact ? undefined : 'By the recorded norms: at least this much'}
              onClick={() => {
                model.set({ selected: layer })
                model.focus({ layer })
              }}
            >
              <span class="ellipsis">{name}</span>
              <i style={{ '--share': most > 0 ? Math.min(1, share / most) : 0 }} />
              <b>
                {exact ? '' : '≥ '}
                {Number.isFinite(share) ? formatPercent(share) : '∞'}
              </b>
            </button>
          </li>
        ))}
      </ol>
    </section>
  )
}
