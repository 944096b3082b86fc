/** A real web server for tests, which can misbehave. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Behaviour =
  /** Honours Range. */
  | 'ranges'
  /** Answers 200 with the whole file, as Python's http.server does. */
  | 'whole'
  /** Honours Range, but promises more bytes than it sends, and hangs up. */
  | 'truncating'
  /** Hangs up before it answers. */
  | 'hanging up'
  /** Sends half of the promised range, with a Content-Length to match. */
  | 'short'
  /** Sends another range than the one asked for. */
  | 'shifted'
  /** 500 to everything. */
  | 'failing'
  /** Honours Range, but says nothing of what it sends, as a bucket of another origin seems to. */
  | 'silent'

export interface TestServer {
  base: string
  files: Map<string, Uint8Array>
  behaviour: Behaviour
  /** Requests so far, "recording.json" or "a.safetensors 0-99". */
  requests: string[]
  /** Called before an answer is given: to hold it back, for example. */
  before: (key: string) => Promise<void> | void
  close(): Promise<void>
}

export async function startServer(files: Iterable<readonly [string, Uint8Array]> = []): Promise<TestServer> {
  const http = createServer((request, response) => void answer(test, request, response))
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const test: TestServer = {
    base: `http://127.0.0.1:${(http.address() as AddressInfo).port}/run/`,
    files: new Map(files),
    behaviour: 'ranges',
    requests: [],
    before: () => {},
    close: () => {
      http.closeAllConnections()
      return new Promise(resolve => http.close(() => resolve()))
    },
  }
  return test
}

async function answer(test: TestServer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname
  const key = path
    .replace(/^\/run\//, '')
    .split('/')
    .map(decodeURIComponent)
    .join('/')
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  test.requests.push(range ? `${key} ${range[1]}-${range[2]}` : key)
  await test.before(key)

  const file = test.files.get(key)
  if (test.behaviour === 'hanging up') return void request.socket.destroy()
  if (test.behaviour === 'failing') return void response.writeHead(500).end()
  if (!file) return void response.writeHead(404).end('not here')
  const etag = `"${createHash('sha1').update(file).digest('hex')}"`
  if (!range || test.behaviour === 'whole') {
    response.writeHead(200, { 'content-length': file.length, etag })
    return void response.end(file)
  }

  let start = Number(range[1])
  if (start >= file.length) return void response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end()
  const end = range[2] === '' ? file.length : Math.min(Number(range[2]) + 1, file.length)
  if (test.behaviour === 'shifted') start += 1
  const body = file.subarray(start, end)
  const half = body.subarray(0, body.length >> 1)
  const headers = { 'content-length': body.length, 'content-range': `bytes ${start}-${end - 1}/${file.length}`, etag }
  switch (test.behaviour) {
    case 'truncating':
      response.writeHead(206, headers)
      return void response.write(half, () => setTimeout(() => request.socket.destroy(), 20))
    case 'short':
      return void response.writeHead(206, { ...headers, 'content-length': half.length }).end(half)
    case 'silent':
      return void response.writeHead(206, { 'content-length': body.length }).end(body)
    default:
      response.writeHead(206, headers).end(body)
  }
}
