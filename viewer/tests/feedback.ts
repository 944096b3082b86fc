/** Runs in the page: reads back what a vertex shader puts out. */

export class Feedback {
  private readonly buffer: WebGLBuffer

  /** `floats`: how many the shader puts out for each vertex. */
  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly floats: number,
  ) {
    this.buffer = gl.createBuffer()!
  }

  /** Runs the program in use for `count` vertices; their floats, one vertex after the other. */
  read(count: number): Float32Array {
    const { gl, buffer } = this
    const values = new Float32Array(this.floats * count)
    gl.bindBuffer(gl.TRANSFORM_FEEDBACK_BUFFER, buffer)
    gl.bufferData(gl.TRANSFORM_FEEDBACK_BUFFER, values.byteLength, gl.STREAM_READ)
    gl.bindBufferBase(gl.TRANSFORM_FEEDBACK_BUFFER, 0, buffer)
    gl.enable(gl.RASTERIZER_DISCARD)
    gl.beginTransformFeedback(gl.POINTS)
    gl.drawArrays(gl.POINTS, 0, count)
    gl.endTransformFeedback()
    gl.disable(gl.RASTERIZER_DISCARD)
    gl.getBufferSubData(gl.TRANSFORM_FEEDBACK_BUFFER, 0, values)
    if (gl.getError() !== gl.NO_ERROR) throw new Error('WebGL error while reading what a vertex shader put out')
    return values
  }
}
