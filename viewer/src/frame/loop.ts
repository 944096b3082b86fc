/** When frames are drawn: one soon after something changed, none while nothing does, and who waits for the last one. */

export interface Looped {
  /** Draws one frame; whether another one has to follow. */
  draw(now: number): boolean
  /** Whether something is on its way that will change the picture. */
  busy(): boolean
  /** The picture is complete. */
  rest(): void
}

export class FrameLoop {
  private scheduled = 0
  private dirty = true
  private waiting: (() => void)[] = []

  constructor(private readonly on: Looped) {}

  /** Draws one frame soon; nothing is drawn while nothing changes. */
  invalidate(): void {
    this.dirty = true
    if (!this.scheduled) this.scheduled = requestAnimationFrame(now => this.frame(now))
  }

  /** Resolves when data is loaded, transitions are over and the frame is drawn. */
  settled(): Promise<void> {
    return new Promise(resolve => {
      this.waiting.push(resolve)
      this.invalidate()
    })
  }

  stop(): void {
    cancelAnimationFrame(this.scheduled)
  }

  private frame(now: number): void {
    this.scheduled = 0
    this.dirty = false
    if (this.on.draw(now)) this.invalidate()
    if (this.dirty || this.on.busy()) return
    for (const resolve of this.waiting.splice(0)) resolve()
    this.on.rest()
  }
}
