import { watchEvents } from './events'
import { KeyMissing, type News, type Source, SourceUnreachable } from './source'

/** What is known of one key from the answers so far. */
interface KeyState {
  /** Set while a range request shows whether ranges are honoured: until then nobody else asks for the same file. */
  probe: Promise<void> | null
  /** The whole file, where the server answered a range request with all of it. */
  whole: Promise<ArrayBuffer> | null
  size: number | null
  /** ETag (or else Last-Modified) of the first answer; parts of two different files must never be mixed. */
  version: string | null
}

/**
 * Reads from any web server with GET and Range. A server that answers 200 with the whole file (Python's http.server does)
 * is asked for each file once: the file stays in memory and all later ranges come from it.
 */
export class HttpSource implements Source {
  readonly #base: URL
  readonly #keys = new Map<string, KeyState>()
  readonly #gets = new Map<string, Promise<ArrayBuffer>>()
  /** The last range was answered with a range: probably the next one will be, of whatever file. */
  #honoursRanges = false
  #bytesFetched = 0
  #bytesHeld = 0

  /** `base` is the recording's folder; relative addresses are relative to the page, a query (a token) goes along. */
  constructor(base: string | URL) {
    this.#base = new URL(base, globalThis.document?.baseURI)
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/'
  }

  get bytesFetched(): number {
    return this.#bytesFetched
  }

  get bytesHeld(): number {
    return this.#bytesHeld
  }

  sizeNow(key: string): number | null {
    return this.#keys.get(key)?.size ?? null
  }

  get(key: string): Promise<ArrayBuffer> {
    const whole = this.#keys.get(key)?.whole
    if (whole) return whole
    const running = this.#gets.get(key)
    if (running) return running
    const request = this.#request(key)
      .then(response => this.#body(key, response))
      .finally(() => this.#gets.delete(key))
    this.#gets.set(key, request)
    return request
  }

  async getRange(key: string, start: number, end: number): Promise<ArrayBuffer> {
    if (end <= start) return new ArrayBuffer(0)
    const state = this.#state(key)
    while (state.probe && !state.whole) await state.probe
    if (state.whole) return (await state.whole).slice(start, end)
    if (state.size !== null && start >= state.size) return new ArrayBuffer(0)
    if (this.#honoursRanges) return this.#range(key, state, start, end)

    // The probe is over when the headers of this answer are there; its body may take longer.
    let over = () => {}
    state.probe = new Promise<void>(resolve => {
      over = () => {
        state.probe = null
        resolve()
      }
    })
    try {
      return await this.#range(key, state, start, end, over)
    } finally {
      over()
    }
  }

  async getFrom(key: string, start: number): Promise<Uint8Array<ArrayBuffer> | null> {
    if (start === 0) return new Uint8Array(await this.get(key))
    const response = await this.#request(key, `bytes=${start}-`)
    if (response.status === 416) {
      discard(response)
      return sizeOf(response) === start ? new Uint8Array(0) : null
    }
    const body = new Uint8Array(await this.#body(key, response))
    if (response.status === 206) return body
    return start <= body.length ? body.subarray(start) : null
  }

  /** Beside the folder: under `events` of the recording that a page is about, under `events/NAME` of any other folder. */
  watch(on: (news: News | null) => void): () => void {
    const name = this.#base.pathname.split('/').at(-2)
    return watchEvents(new URL(name === 'recording' ? '../events' : `../events/${name}`, this.#base), on)
  }

  async #range(key: string, state: KeyState, start: number, end: number, answered?: () => void): Promise<ArrayBuffer> {
    const response = await this.#request(key, `bytes=${start}-${end - 1}`)
    if (response.status === 416) {
      // Nothing lies at `start`; the file's size, if told, is remembered.
      state.size = sizeOf(response) ?? state.size
      discard(response)
      return new ArrayBuffer(0)
    }
    if (response.status !== 206) {
      this.#honoursRanges = false
      if (state.whole) discard(response)
      else state.whole = this.#keep(key, state, response)
      answered?.()
      return (await state.whole).slice(start, end)
    }

    const version = response.headers.get('etag') ?? response.headers.get('last-modified')
    const size = sizeOf(response)
    if ((state.version && version && version !== state.version) || (state.size && size && size !== state.size)) {
      discard(response)
      throw new SourceUnreachable(key, 206, 'it was changed while it was open; reload the page')
    }
    state.version ??= version
    state.size ??= size
    this.#honoursRanges = true
    answered?.()

    const sent = sentRange(response)
    const stop = size === null ? end : Math.min(end, size)
    if (sent && (sent.start !== start || sent.end !== stop)) {
      discard(response)
      const asked = `bytes ${start} to ${end - 1}`
      throw new SourceUnreachable(key, 206, `asked for ${asked}, the server sent ${sent.start} to ${sent.end - 1}`)
    }
    const body = await this.#body(key, response)
    // Another origin may hide Content-Range; then a short body can be the end of the file, and its reader finds out.
    if (body.byteLength > end - start || (sent && body.byteLength !== stop - start)) {
      throw new SourceUnreachable(key, 206, `${body.byteLength} of ${stop - start} bytes arrived`)
    }
    if (!sent && body.byteLength < end - start) state.size ??= start + body.byteLength
    return body
  }

  async #keep(key: string, state: KeyState, response: Response): Promise<ArrayBuffer> {
    try {
      const body = await this.#body(key, response)
      state.size = body.byteLength
      this.#bytesHeld += body.byteLength
      return body
    } catch (error) {
      state.whole = null
      throw error
    }
  }

  async #request(key: string, range?: string): Promise<Response> {
    const url = new URL(this.#base)
    url.pathname += key.split('/').map(encodeURIComponent).join('/')
    let response: Response
    try {
      // A recording may be written again under the same address, and a stale part must not meet a new one: no-cache.
      // Ranges pass the cache by, since Chromium lets requests for one address through it only one after the other
      // (measured, with 300 ms to the server: four ranges of one file 1,226 ms through it, 313 ms past it).
      response = await fetch(url, { headers: range ? { range } : {}, cache: range ? 'no-store' : 'no-cache' })
    } catch (error) {
      throw new SourceUnreachable(key, null, 'the server does not answer', { cause: error })
    }
    if (response.ok || (range && response.status === 416)) return response
    discard(response)
    if (response.status === 404 || response.status === 410) throw new KeyMissing(key)
    const reason = response.statusText ? ` (${response.statusText})` : ''
    throw new SourceUnreachable(key, response.status, `the server answers ${response.status}${reason}`)
  }

  async #body(key: string, response: Response): Promise<ArrayBuffer> {
    let body: ArrayBuffer
    try {
      body = await response.arrayBuffer()
    } catch (error) {
      throw new SourceUnreachable(key, response.status, 'the connection broke off', { cause: error })
    }
    this.#bytesFetched += body.byteLength
    // With a content encoding the length is that of the packed bytes; another origin may hide that there is one.
    const length = response.headers.get('content-length')
    const comparable = response.type !== 'cors' && !response.headers.get('content-encoding')
    if (length !== null && comparable && Number(length) !== body.byteLength) {
      throw new SourceUnreachable(key, response.status, `${body.byteLength} of ${length} bytes arrived`)
    }
    return body
  }

  #state(key: string): KeyState {
    let state = this.#keys.get(key)
    if (!state) {
      state = { probe: null, whole: null, size: null, version: null }
      this.#keys.set(key, state)
    }
    return state
  }
}

/** `Content-Range: bytes 0-99/1000` -> 0, 100; null when it is absent or unreadable. */
function sentRange(response: Response): { start: number; end: number } | null {
  const match = /^bytes (\d+)-(\d+)\//.exec(response.headers.get('content-range') ?? '')
  return match ? { start: Number(match[1]), end: Number(match[2]) + 1 } : null
}

// The file's size as told by Content-Range: `bytes 0-99/1000`, or `bytes */1000` in a 416.
function sizeOf(response: Response): number | null {
  const match = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')
  return match ? Number(match[1]) : null
}

/** Drops an answer without reading it, so that its connection is free again. */
function discard(response: Response): void {
  response.body?.cancel().catch(() => {})
}
