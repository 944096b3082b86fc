/** What was drawn and what it cost, in numbers. */
import { batch, signal } from '@preact/signals'
import type { Stats } from '../model'
import type { FrameCounts, Stage } from '../scene/stage'

const NO_COUNTS: FrameCounts = {
  edgesDrawn: 0,
  edgesTotal: 0,
  mapsDrawn: 0,
  mapsTotal: 0,
  strands: [],
  complete: false,
}
const NO_STATS: Stats = {
  drawCalls: 0,
  edgesDrawn: 0,
  edgesTotal: 0,
  mapsDrawn: 0,
  mapsTotal: 0,
  frames: 0,
  jsMsLastFrame: 0,
  bytesFetched: 0,
  bytesUploaded: 0,
  uploaded: { weights: 0, activations: 0, layout: 0 },
  gpuBytes: 0,
  edgeGeometryBytes: 0,
}

export class FrameStats {
  /** Of the last frame. */
  readonly counts = signal(NO_COUNTS)
  readonly stats = signal(NO_STATS)
  /** Drawn so far. */
  frames = 0

  /** A frame was drawn, which took `jsMs` milliseconds of script. */
  drawn(counts: FrameCounts, { counters, resources }: Stage, bytesFetched: number, jsMs: number): void {
    const { drawCalls, bytesUploaded, gpuBytes } = counters
    const { edgesDrawn, edgesTotal, mapsDrawn, mapsTotal } = counts
    this.frames++
    batch(() => {
      this.counts.value = counts
      this.stats.value = {
        drawCalls,
        edgesDrawn,
        edgesTotal,
        mapsDrawn,
        mapsTotal,
        frames: this.frames,
        jsMsLastFrame: jsMs,
        bytesFetched,
        bytesUploaded,
        uploaded: { ...resources.uploaded },
        gpuBytes,
        // Ribbons and pixels are pulled from vertex numbers: there is no geometry that could be uploaded.
        edgeGeometryBytes: 0,
      }
    })
  }
}
