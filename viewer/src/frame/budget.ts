/** How many edges are drawn at most, where nobody says. */
const DESKTOP_BUDGET = 200_000
const SMALL_BUDGET = 30_000

/** `limited`: a phone, or a machine that draws in software. */
export function suitableBudget(limited: boolean): number {
  return limited ? SMALL_BUDGET : DESKTOP_BUDGET
}

export function isSoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension('WEBGL_debug_renderer_info')
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER))
  return /swiftshader|llvmpipe|software|basic render/i.test(name)
}
