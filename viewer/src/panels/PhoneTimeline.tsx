/** The timeline in one row: play, curves, and the numbers at the playhead. */
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { Plot } from './Plot'
import { accuracyText, EpochNumber, lossText, PlayButton, Reading, useSeries } from './Timeline'
import { useSize } from './use-size'

export function PhoneTimeline({ model }: { model: ViewerModel }): JSX.Element {
  const { loss, accuracy } = useSeries(model)
  const frame = useRef<HTMLDivElement>(null)
  const size = useSize(frame)
  return (
    <div class="phone-timeline">
      <PlayButton model={model} />
      <div>
        <div class="phone-plot" ref={frame}>
          {size.value[0] > 0 && (
            <Plot model={model} width={size.value[0]} height={size.value[1]} top={14} ticks={2} lane={12} />
          )}
        </div>
        <p>
          <EpochNumber model={model} />
          {loss.value && <Reading model={model} series={loss.value} name="loss" format={lossText} />}
          {accuracy.value && <Reading model={model} series={accuracy.value} name="accuracy" format={accuracyText} />}
        </p>
      </div>
    </div>
  )
}
