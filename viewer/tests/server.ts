/** A static server for the tests: the bundle at /, a recording at /recording/. It counts, and misbehaves on demand. */

import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { BUNDLE, DEMO } from './paths'

export interface Request {
  /** "recording/…" or a file of the bundle. */
  path: string
  range: string | null
  status: number
  bytes: number
}

export interface Options {
  /** Folder of the recording, and of the one under /compare/. */
  recording?: string
  compare?: string
  /** False: every request is answered 200 with the whole file, as Python's http.server does. */
  ranges?: boolean
  /** Keys of the recording that are not there. */
  missing?: readonly string[]
  /** The page is isolated: its clock then runs in steps of 5 µs, not of 100. */
  isolated?: boolean
  /** Files by path ("recording/recording.json", "probe.js") that stand in for those on disk, or beside them. */
  files?: Readonly<Record<string, string | Uint8Array>>
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
}

export class TestServer {
  /** Those answered since `forget`. */
  readonly requests: Request[] = []
  #asked = 0
  #forgotten = 0
  #http = createServer((request, response) => void this.#answer(request, response))

  constructor(readonly options: Options = {}) {}

  static async start(options: Options = {}): Promise<TestServer> {
    const server = new TestServer(options)
    await new Promise<void>(resolve => server.#http.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/`
  }

  /** Requests for files of the recording, by key, without those for the bundle. */
  recordingRequests(): Request[] {
    return this.requests
      .filter(({ path }) => path.startsWith('recording/'))
      .map(request => ({ ...request, path: request.path.slice('recording/'.length) }))
  }

  /** Resolves when nothing was asked for a while: the viewer also fetches what no frame waits for. */
  async quiet(): Promise<void> {
    for (let seen = -1; seen !== this.#asked || this.requests.length < this.#asked - this.#forgotten; ) {
      seen = this.#asked
      await new Promise(resolve => setTimeout(resolve, 250))
    }
  }

  forget(): void {
    this.#forgotten += this.requests.length
    this.requests.length = 0
  }

  close(): Promise<void> {
    this.#http.closeAllConnections()
    return new Promise(resolve => this.#http.close(() => resolve()))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path =
      normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname)).slice(1) || 'index.html'
    this.#asked++
    const { status, body, headers } = await this.#respond(path, request.headers.range)
    this.requests.push({ path, range: request.headers.range ?? null, status, bytes: body.length })
    response.writeHead(status, { ...headers, 'content-length': body.length }).end(body)
  }

  async #respond(path: string, range: string | undefined) {
    const file = await this.#file(path)
    if (!file) return { status: 404, body: Buffer.alloc(0), headers: {} }
    const headers: Record<string, string> = { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }
    if (this.options.isolated) {
      headers['cross-origin-opener-policy'] = 'same-origin'
      headers['cross-origin-embedder-policy'] = 'require-corp'
    }
    const asked = /^bytes=(\d+)-(\d+)$/.exec(range ?? '')
    if (!asked || this.options.ranges === false) return { status: 200, body: file, headers }
    const [start, end] = [Number(asked[1]), Math.min(Number(asked[2]) + 1, file.length)]
    if (start >= file.length) {
      return { status: 416, body: Buffer.alloc(0), headers: { 'content-range': `bytes */${file.length}` } }
    }
    headers['content-range'] = `bytes ${start}-${end - 1}/${file.length}`
    return { status: 206, body: file.subarray(start, end), headers }
  }

  async #file(path: string): Promise<Buffer | null> {
    const { recording = DEMO, compare, missing = [], files = {} } = this.options
    if (Object.hasOwn(files, path)) return Buffer.from(files[path])
    const key = path.startsWith('recording/') ? path.slice('recording/'.length) : null
    if (key !== null && missing.includes(key)) return null
    const second = path.startsWith('compare/') && compare ? join(compare, path.slice('compare/'.length)) : null
    if (second !== null) return readFile(second).catch(() => null)
    return readFile(key === null ? join(BUNDLE, path) : join(recording, key)).catch(() => null)
  }
}
