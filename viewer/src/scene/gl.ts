/** The little of WebGL2 that the scene needs: programs with their uniforms, textures, and counts of what was uploaded. */

export interface Counters {
  drawCalls: number
  bytesUploaded: number
  gpuBytes: number
}

/** Texels in one row of a packed texture: value number i lies at (i & 2047, i >> 11). */
export const PACK_WIDTH = 2048
/** Map centres lie at (m & 1023, m >> 10). */
export const CENTRES_WIDTH = 1024

export class Program {
  readonly handle: WebGLProgram
  private readonly locations = new Map<string, WebGLUniformLocation>()

  constructor(
    private readonly gl: WebGL2RenderingContext,
    source: { vertex: string; fragment: string },
    blocks: Record<string, number>,
    feedback?: string[],
  ) {
    const program = gl.createProgram()!
    for (const [type, text] of [
      [gl.VERTEX_SHADER, source.vertex],
      [gl.FRAGMENT_SHADER, source.fragment],
    ] as const) {
      const shader = gl.createShader(type)!
      gl.shaderSource(shader, text)
      gl.compileShader(shader)
      gl.attachShader(program, shader)
    }
    if (feedback) gl.transformFeedbackVaryings(program, feedback, gl.INTERLEAVED_ATTRIBS)
    gl.linkProgram(program)
    this.handle = program
    this.blocks = blocks
  }

  private readonly blocks: Record<string, number>
  private ready = false

  /** Whether using it would not wait for the driver. Where browsers can't tell, it just waits. */
  get compiled(): boolean {
    const { gl } = this
    const parallel = gl.getExtension('KHR_parallel_shader_compile')
    return (
      this.ready ||
      !parallel ||
      gl.isContextLost() ||
      gl.getProgramParameter(this.handle, parallel.COMPLETION_STATUS_KHR)
    )
  }

  /** Linking goes on in the driver until the first use asks for its result. */
  use(): void {
    const { gl } = this
    if (!this.ready) this.finish()
    gl.useProgram(this.handle)
  }

  private finish(): void {
    const { gl, handle } = this
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = (gl.getAttachedShaders(handle) ?? []).map(s => gl.getShaderInfoLog(s))
      throw new Error(`shader program: ${gl.getProgramInfoLog(handle)} ${logs.join(' ')}`)
    }
    const count = gl.getProgramParameter(handle, gl.ACTIVE_UNIFORMS) as number
    for (let i = 0; i < count; i++) {
      const info = gl.getActiveUniform(handle, i)!
      const location = gl.getUniformLocation(handle, info.name)
      if (location) this.locations.set(info.name.replace('[0]', ''), location)
    }
    for (const [name, point] of Object.entries(this.blocks)) {
      const index = gl.getUniformBlockIndex(handle, name)
      if (index !== gl.INVALID_INDEX) gl.uniformBlockBinding(handle, index, point)
    }
    this.ready = true
  }

  at(name: string): WebGLUniformLocation | null {
    return this.locations.get(name) ?? null
  }

  int(name: string, value: number): void {
    this.gl.uniform1i(this.at(name), value)
  }
  ints(name: string, x: number, y: number): void {
    this.gl.uniform2i(this.at(name), x, y)
  }
  ints3(name: string, x: number, y: number, z: number): void {
    this.gl.uniform3i(this.at(name), x, y, z)
  }
  ints4(name: string, x: number, y: number, z: number, w: number): void {
    this.gl.uniform4i(this.at(name), x, y, z, w)
  }
  float(name: string, value: number): void {
    this.gl.uniform1f(this.at(name), value)
  }
  vector(name: string, ...v: number[]): void {
    const { gl } = this
    if (v.length === 2) gl.uniform2f(this.at(name), v[0], v[1])
    else if (v.length === 3) gl.uniform3f(this.at(name), v[0], v[1], v[2])
    else gl.uniform4f(this.at(name), v[0], v[1], v[2], v[3])
  }
  vectors3(name: string, values: Float32Array): void {
    this.gl.uniform3fv(this.at(name), values)
  }
  texture(name: string, unit: number, handle: WebGLTexture): void {
    const { gl } = this
    gl.activeTexture(gl.TEXTURE0 + unit)
    gl.bindTexture(gl.TEXTURE_2D, handle)
    gl.uniform1i(this.at(name), unit)
  }
}

export interface Texture {
  handle: WebGLTexture
  bytes: number
}

type Format = 'R16F' | 'R32F' | 'R32UI'

/** A packed texture for `length` values; parts are filled with `fillPacked`. */
export function packedTexture(gl: WebGL2RenderingContext, counters: Counters, format: Format, length: number): Texture {
  const rows = Math.max(1, Math.ceil(length / PACK_WIDTH))
  const width = rows === 1 ? Math.max(1, length) : PACK_WIDTH
  const handle = plainTexture(gl)
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl[format], width, rows)
  const bytes = width * rows * (format === 'R16F' ? 2 : 4)
  counters.gpuBytes += bytes
  return { handle, bytes }
}

/** Uploads `values` to the texture bound last, from value number `start` on; whole rows in one call. */
export function fillPacked(
  gl: WebGL2RenderingContext,
  counters: Counters,
  texture: Texture,
  values: Uint16Array | Float32Array | Uint32Array,
  start: number,
): void {
  gl.bindTexture(gl.TEXTURE_2D, texture.handle)
  const [format, type] =
    values instanceof Uint16Array
      ? [gl.RED, gl.HALF_FLOAT]
      : values instanceof Float32Array
        ? [gl.RED, gl.FLOAT]
        : [gl.RED_INTEGER, gl.UNSIGNED_INT]
  let done = 0
  while (done < values.length) {
    const at = start + done
    const column = at % PACK_WIDTH
    const left = values.length - done
    const rows = column === 0 ? Math.floor(left / PACK_WIDTH) : 0
    const count = rows > 0 ? rows * PACK_WIDTH : Math.min(left, PACK_WIDTH - column)
    gl.texSubImage2D(
      gl.TEXTURE_2D,
      0,
      column,
      Math.floor(at / PACK_WIDTH),
      rows > 0 ? PACK_WIDTH : count,
      Math.max(1, rows),
      format,
      type,
      values.subarray(done, done + count),
    )
    done += count
  }
  counters.bytesUploaded += values.byteLength
}

export function plainTexture(gl: WebGL2RenderingContext): WebGLTexture {
  const handle = gl.createTexture()!
  gl.bindTexture(gl.TEXTURE_2D, handle)
  for (const parameter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
    gl.texParameteri(gl.TEXTURE_2D, parameter, gl.NEAREST)
  }
  for (const parameter of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
    gl.texParameteri(gl.TEXTURE_2D, parameter, gl.CLAMP_TO_EDGE)
  }
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1)
  return handle
}

export function freeTexture(gl: WebGL2RenderingContext, counters: Counters, texture: Texture): void {
  gl.deleteTexture(texture.handle)
  counters.gpuBytes -= texture.bytes
}
