import { KeyMissing, type Source } from './source'

/** A source whose files are all in memory already: a single HTML file, or a test. */
export class MemorySource implements Source {
  readonly bytesFetched = 0
  readonly bytesHeld: number
  readonly #files: Map<string, ArrayBuffer>

  constructor(files: Iterable<readonly [string, ArrayBuffer]>) {
    this.#files = new Map(files)
    this.bytesHeld = [...this.#files.values()].reduce((sum, file) => sum + file.byteLength, 0)
  }

  async get(key: string): Promise<ArrayBuffer> {
    const file = this.#files.get(key)
    if (!file) throw new KeyMissing(key)
    return file
  }

  async getRange(key: string, start: number, end: number): Promise<ArrayBuffer> {
    return (await this.get(key)).slice(start, end)
  }

  async getFrom(key: string, start: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const file = await this.get(key)
    return start <= file.byteLength ? new Uint8Array(file, start) : null
  }

  sizeNow(key: string): number | null {
    return this.#files.get(key)?.byteLength ?? null
  }
}
