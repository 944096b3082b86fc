/** A file of lines that grows while a training runs: each read fetches and parses only what has been added. */
import { KeyMissing, type Source } from '../source/source'

const NEWLINE = 10
const NOTHING = new Uint8Array(0)

export class GrowingFile<T> {
  #items: readonly T[] = []
  /** How many items come from whole lines; one more may come from what stands behind the last line break. */
  #whole = 0
  #rest = NOTHING
  /** The last whole line and where it begins: the next read starts there, to see that this is still the same file. */
  #last = NOTHING
  #lastAt = 0
  #running: Promise<unknown> = Promise.resolve()

  /** `parse` gives null for a line that says nothing. */
  constructor(
    private readonly source: Source,
    private readonly key: string,
    private readonly parse: (line: string) => T | null,
  ) {}

  /**
   * What all lines say so far: the same array while nothing was added, an empty one without the file. A file that was
   * replaced is read anew. Rejects with SourceUnreachable.
   */
  read(): Promise<readonly T[]> {
    // One after the other: what is on its way may be older than the news that this call is made for.
    const turn = this.#running.then(() => this.#more())
    this.#running = turn.catch(() => {})
    return turn
  }

  async #more(): Promise<readonly T[]> {
    try {
      let bytes = await this.source.getFrom(this.key, this.#lastAt)
      if (!bytes || !startsWith(bytes, this.#last)) {
        this.#restart()
        bytes = (await this.source.getFrom(this.key, 0)) ?? NOTHING
      }
      this.#append(bytes.subarray(this.#last.length))
    } catch (error) {
      if (!(error instanceof KeyMissing)) throw error
      if (this.#items.length > 0) this.#restart()
    }
    return this.#items
  }

  #restart(): void {
    this.#items = []
    this.#whole = 0
    this.#rest = this.#last = NOTHING
    this.#lastAt = 0
  }

  /** `bytes`: all that stands behind the last whole line. */
  #append(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length === this.#rest.length && startsWith(bytes, this.#rest)) return
    const end = bytes.lastIndexOf(NEWLINE) + 1
    const added = this.#parseLines(bytes.subarray(0, end))
    this.#rest = bytes.slice(end)
    const items = [...this.#items.slice(0, this.#whole), ...added]
    this.#whole = items.length
    this.#items = [...items, ...this.#parseLines(this.#rest)]
    if (end === 0) return
    const begin = bytes.lastIndexOf(NEWLINE, end - 2) + 1
    this.#lastAt += this.#last.length + begin
    this.#last = bytes.slice(begin, end)
  }

  #parseLines(bytes: Uint8Array): T[] {
    const lines = new TextDecoder().decode(bytes).split('\n')
    return lines.map(line => this.parse(line)).filter(item => item !== null)
  }
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, i) => bytes[i] === byte)
}
