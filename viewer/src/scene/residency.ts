/**
 * What stays on the GPU: textures by key within a byte budget, the least recently used leave first.
 * Uploads happen when data has arrived, never while a control moves.
 */
import { type Counters, freeTexture, type Texture } from './gl'

export class Residency<T extends { texture: Texture }> {
  private readonly entries = new Map<string, T>()
  /** Used by the frame being drawn: these stay whatever the budget says. */
  private readonly inUse = new Set<string>()
  private bytes = 0

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly counters: Counters,
    private readonly budget: number,
  ) {}

  beginFrame(): void {
    this.inUse.clear()
  }

  /** The entry, now the most recently used one; undefined when it is not resident. */
  get(key: string): T | undefined {
    const entry = this.entries.get(key)
    if (entry) {
      this.entries.delete(key)
      this.entries.set(key, entry)
      this.inUse.add(key)
    }
    return entry
  }

  has(key: string): boolean {
    return this.entries.has(key)
  }

  add(key: string, entry: T): T {
    this.entries.set(key, entry)
    this.inUse.add(key)
    this.bytes += entry.texture.bytes
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.budget) break
      if (this.inUse.has(oldest)) continue
      this.entries.delete(oldest)
      this.bytes -= old.texture.bytes
      freeTexture(this.gl, this.counters, old.texture)
    }
    return entry
  }

  clear(): void {
    for (const entry of this.entries.values()) freeTexture(this.gl, this.counters, entry.texture)
    this.entries.clear()
    this.inUse.clear()
    this.bytes = 0
  }
}
