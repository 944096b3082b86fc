/** The picture as people see it, in its full resolution: one texture, one quad before the input. */
import type { PicturePlace } from '../layout/place'
import { programs } from '../shaders/sources'
import type { Frame } from './frame'
import { type Counters, Program, plainTexture } from './gl'

export interface Images {
  /** Samples, rows, columns, channels. */
  shape: [number, number, number, number]
  data: Uint8Array
}

export class Picture {
  private readonly program: Program
  private readonly sides: { texture: WebGLTexture; images: Images | null; sample: number }[]

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly counters: Counters,
  ) {
    this.program = new Program(gl, programs.picture, { Frame: 0 })
    this.sides = [0, 1].map(() => {
      const texture = plainTexture(gl)
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR)
      return { texture, images: null, sample: -1 }
    })
  }

  draw(place: PicturePlace, frame: Pick<Frame, 'images' | 'sample' | 'side'>, border: readonly number[]): void {
    const { gl, program } = this
    const images = frame.images!
    // What both sides show is there once.
    const shown = this.sides.find(s => s.images === images && s.sample === frame.sample)
    const side = shown ?? this.sides[frame.side]
    gl.activeTexture(gl.TEXTURE0)
    gl.bindTexture(gl.TEXTURE_2D, side.texture)
    if (!shown) {
      this.upload(images, frame.sample)
      Object.assign(side, { images, sample: frame.sample })
    }
    program.use()
    program.int('uPicture', 0)
    program.vector('uPlace', place.width, place.height, place.z)
    program.vector('uBorder', ...border)
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4)
    this.counters.drawCalls++
  }

  private upload(images: Images, sample: number): void {
    const { gl } = this
    const [, rows, columns, channels] = images.shape
    const pixels = rgba(images, sample)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, columns, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels)
    gl.generateMipmap(gl.TEXTURE_2D)
    this.counters.bytesUploaded += rows * columns * channels
  }
}

function rgba({ shape, data }: Images, sample: number): Uint8Array {
  const [, rows, columns, channels] = shape
  const out = new Uint8Array(4 * rows * columns)
  const first = sample * rows * columns * channels
  for (let p = 0; p < rows * columns; p++) {
    const at = first + p * channels
    for (let c = 0; c < 3; c++) out[4 * p + c] = data[at + (channels >= 3 ? c : 0)]
    out[4 * p + 3] = 255
  }
  return out
}
