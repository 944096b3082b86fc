/** safetensors: 8 bytes of length, a JSON header, the tensors. https://github.com/huggingface/safetensors */
import type { Source } from '../source/source'
import { BadRecording } from './errors'
import { fromHalf } from './half'

const WIDTHS = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  U64: 8,
  I32: 4,
  U32: 4,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const

export type Dtype = keyof typeof WIDTHS

/** Where one tensor lies: `begin` to `end` (exclusive), in bytes from the start of the file. */
export interface Entry {
  dtype: Dtype
  shape: number[]
  begin: number
  end: number
}

export interface Header {
  tensors: Map<string, Entry>
  /** Bytes before the first tensor, the length included. */
  bytes: number
  /** Size that the file must have. */
  fileBytes: number
}

/** As the format's own reader has it; a larger one is no header. */
const LARGEST_HEADER = 100_000_000
/** A first request of this size holds the header of most files. */
export const HEAD_BYTES = 65_536

export function widthOf(dtype: Dtype): number {
  return WIDTHS[dtype]
}

/** Length of the header from the first 8 bytes, those included. Throws BadRecording. */
export function headerBytes(key: string, first: ArrayBuffer): number {
  if (first.byteLength < 8) throw new BadRecording(key, `the file ends after ${first.byteLength} bytes`)
  const view = new DataView(first)
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
  if (length < 2 || length > LARGEST_HEADER) {
    throw new BadRecording(key, `this is no safetensors file (its header would have ${length} bytes)`)
  }
  return 8 + length
}

/**
 * Reads and checks the header; `head` holds at least that. `fileBytes` is the file's real size where it is known.
 * Throws BadRecording: unreadable JSON, unknown dtypes, sizes that do not fit the shapes, offsets outside the file.
 */
export function parseHeader(key: string, head: ArrayBuffer, fileBytes: number | null): Header {
  const bytes = headerBytes(key, head)
  if (head.byteLength < bytes)
    throw new BadRecording(key, `the file ends inside its header, at byte ${head.byteLength}`)
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(head, 8, bytes - 8)))
  } catch {
    throw new BadRecording(key, 'its header is not readable JSON')
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new BadRecording(key, 'its header is no JSON object')
  }
  const tensors = new Map<string, Entry>()
  let last = bytes
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') continue
    const entry = parseEntry(key, name, value, bytes)
    tensors.set(name, entry)
    last = Math.max(last, entry.end)
  }
  if (fileBytes !== null && fileBytes !== last) {
    const problem = fileBytes < last ? 'the file is truncated' : 'the file is longer than its header says'
    throw new BadRecording(key, `${problem} (${fileBytes} bytes, ${last} expected)`)
  }
  return { tensors, bytes, fileBytes: last }
}

function parseEntry(key: string, name: string, value: unknown, base: number): Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>
  if (typeof dtype !== 'string' || !Object.hasOwn(WIDTHS, dtype)) {
    throw new BadRecording(key, `tensor ${name} has the unknown dtype ${JSON.stringify(dtype)}`)
  }
  if (!isNaturals(shape)) throw new BadRecording(key, `tensor ${name} has no readable shape`)
  if (!isNaturals(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw new BadRecording(key, `tensor ${name} has no readable offsets`)
  }
  const expected = shape.reduce((product, n) => product * n, 1) * WIDTHS[dtype as Dtype]
  if (expected !== offsets[1] - offsets[0]) {
    const stated = `${offsets[1] - offsets[0]} bytes`
    throw new BadRecording(key, `tensor ${name} has ${stated}, its shape and dtype make ${expected}`)
  }
  return { dtype: dtype as Dtype, shape, begin: base + offsets[0], end: base + offsets[1] }
}

function isNaturals(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(n => Number.isSafeInteger(n) && n >= 0)
}

/** A file whose header has been read, with the bytes from its start that came along. */
export interface OpenedFile {
  header: Header
  /** The header as it lies in the file. */
  text: Uint8Array
  /** The first bytes of the file; all of it where it was small. */
  prefix: ArrayBuffer
}

/**
 * Reads the header of `key`: one request where it fits into `guess` bytes, else two. A file of up to `wholeUpTo` bytes
 * is fetched whole, no byte of it twice. Where the header is that of `like`, byte for byte, its parsed form is shared: the
 * checkpoints of a run differ in nothing but their values. Rejects with BadRecording, KeyMissing or SourceUnreachable.
 */
export async function openFile(
  source: Source,
  key: string,
  wholeUpTo: number,
  guess = HEAD_BYTES,
  like: OpenedFile | null = null,
): Promise<OpenedFile> {
  let prefix = await source.getRange(key, 0, guess)
  const atEnd = prefix.byteLength < guess
  const bytes = headerBytes(key, prefix)
  const known = source.sizeNow(key) ?? (atEnd ? prefix.byteLength : null)
  if (known !== null && bytes > known) {
    throw new BadRecording(key, `the file is truncated (${known} bytes, its header alone has ${bytes})`)
  }
  if (prefix.byteLength < bytes) prefix = await extend(source, key, prefix, bytes)
  const text = new Uint8Array(prefix, 0, bytes)
  const same = like !== null && (known === null || known === like.header.fileBytes) && equal(text, like.text)
  const header = same ? like.header : parseHeader(key, prefix, known)
  if (header.fileBytes <= wholeUpTo && prefix.byteLength < header.fileBytes) {
    prefix = await extend(source, key, prefix, header.fileBytes)
  }
  return { header, text: same ? like.text : text.slice(), prefix }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

async function extend(source: Source, key: string, prefix: ArrayBuffer, end: number): Promise<ArrayBuffer> {
  const rest = await source.getRange(key, prefix.byteLength, end)
  if (prefix.byteLength + rest.byteLength < end) {
    throw new BadRecording(key, `the file is truncated (${prefix.byteLength + rest.byteLength} bytes, ${end} expected)`)
  }
  const joined = new Uint8Array(end)
  joined.set(new Uint8Array(prefix))
  joined.set(new Uint8Array(rest), prefix.byteLength)
  return joined.buffer
}

/**
 * `count` values from `offset` (bytes) in `buffer`, as float32. Aligned float32 is a view of the buffer, not a copy.
 * The one place where bytes become numbers: a worker would be put here. Little-endian, as every machine with WebGL is.
 */
export function decode(dtype: Dtype, buffer: ArrayBuffer, offset: number, count: number): Float32Array<ArrayBuffer> {
  const width = WIDTHS[dtype]
  if (offset % width !== 0) return decode(dtype, buffer.slice(offset, offset + count * width), 0, count)
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, offset, count)
    case 'F16':
      return fromHalf(new Uint16Array(buffer, offset, count))
    case 'BF16': {
      const bits = Uint32Array.from(new Uint16Array(buffer, offset, count), half => half << 16)
      return new Float32Array(bits.buffer)
    }
    case 'F64':
      return new Float32Array(new Float64Array(buffer, offset, count))
    case 'I64':
      return Float32Array.from(new BigInt64Array(buffer, offset, count), Number)
    case 'U64':
      return Float32Array.from(new BigUint64Array(buffer, offset, count), Number)
    case 'I32':
      return new Float32Array(new Int32Array(buffer, offset, count))
    case 'U32':
      return new Float32Array(new Uint32Array(buffer, offset, count))
    case 'I16':
      return new Float32Array(new Int16Array(buffer, offset, count))
    case 'U16':
      return new Float32Array(new Uint16Array(buffer, offset, count))
    case 'I8':
      return new Float32Array(new Int8Array(buffer, offset, count))
    case 'U8':
    case 'BOOL':
      return new Float32Array(new Uint8Array(buffer, offset, count))
  }
}
