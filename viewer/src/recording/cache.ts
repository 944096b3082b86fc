/**
 * What is in memory, up to a budget of bytes; the longest unused goes first. A value that alone is larger than the
 * budget stays until the next one comes: otherwise whoever asked for it would ask for ever.
 */
export class Cache {
  readonly #entries = new Map<string, { value: unknown; bytes: number }>()
  readonly #running = new Map<string, Promise<unknown>>()
  #bytes = 0

  constructor(readonly budget: number) {}

  get bytes(): number {
    return this.#bytes
  }

  /** The value if it is in memory; it then counts as just used. */
  now<T>(key: string): T | null {
    const entry = this.#entries.get(key)
    if (!entry) return null
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value as T
  }

  put(key: string, value: unknown, bytes: number): void {
    this.drop(key)
    this.#entries.set(key, { value, bytes })
    this.#bytes += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.budget || oldest === key) break
      this.drop(oldest)
    }
  }

  drop(key: string): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }

  /** The value from memory, from the load already on its way, or from `load`. A failed load leaves nothing behind. */
  async load<T>(key: string, load: () => Promise<{ value: T; bytes: number }>): Promise<T> {
    const held = this.now<T>(key)
    if (held !== null) return held
    return this.share(key, async () => {
      const { value, bytes } = await load()
      this.put(key, value, bytes)
      return value
    })
  }

  /** What is on its way under that name already, or else `work`. */
  share<T>(name: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(name)
    if (running) return running as Promise<T>
    const promise = work().finally(() => this.#running.delete(name))
    this.#running.set(name, promise)
    return promise
  }
}
