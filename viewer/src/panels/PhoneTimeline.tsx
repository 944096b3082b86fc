/** The timeline in one row: play, curves, and the numbers at the playhead. */
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { LiveBadge } from './LiveBadge'
import { Plot } from './Plot'
import { accuracyText, EpochNumber, lossText, Reading, useSeries, useStill } from './Timeline'
import { PlayButton } from './Transport'
import type { Ui } from './ui'
import { useSize } from './use-size'

export function PhoneTimeline({ model, ui }: { model: ViewerModel; ui: Ui }): JSX.Element {
  const { loss, accuracy } = useSeries(model)
  const frame = useRef<HTMLDivElement>(null)
  const size = useSize(frame)
  const still = useStill(model)
  return (
    <div class="phone-timeline">
      {!still && <PlayButton model={model} />}
      <div>
        <div class="phone-live">
          <LiveBadge model={model} />
        </div>
        {!still && (
          <div class="phone-plot" ref={frame}>
            {size.value[0] > 0 && (
              <Plot model={model} ui={ui} width={size.value[0]} height={size.value[1]} top={14} ticks={2} lane={12} />
            )}
          </div>
        )}
        <p>
          <EpochNumber model={model} />
          {loss.value && <Reading model={model} series={loss.value} name="loss" format={lossText} />}
          {accuracy.value && <Reading model={model} series={accuracy.value} name="accuracy" format={accuracyText} />}
        </p>
      </div>
    </div>
  )
}
