/** The shader programs, put together from their modules. */
import curve from './curve.glsl?raw'
import edgeValues from './edge-values.glsl?raw'
import edgesFragment from './edges.frag.glsl?raw'
import edgesVertex from './edges.vert.glsl?raw'
import ends from './ends.glsl?raw'
import frame from './frame.glsl?raw'
import mapsFragment from './maps.frag.glsl?raw'
import mapsVertex from './maps.vert.glsl?raw'
import pictureFragment from './picture.frag.glsl?raw'
import pictureVertex from './picture.vert.glsl?raw'
import values from './values.glsl?raw'

const HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp usampler2D;
`

/** Writes the end points of edge `uFirstEdge + gl_VertexID` for transform feedback: what tests compare with ends.ts. */
const endsProbe = `
uniform int uFirstEdge;
out vec3 oFrom;
out vec3 oTo;
out vec3 oQuarter;
void main() {
  int strand = uFirstEdge + gl_VertexID;
  ivec2 which = weightAt(strand);
  Edge e = edgeAt(which.x, which.y);
  oFrom = e.drawn ? e.from : vec3(1e9);
  oTo = e.drawn ? e.to : vec3(1e9);
  oQuarter = e.drawn ? curve(e.from, e.to, 0.25) : vec3(1e9);
}
`

/** Writes what edge `gl_VertexID` stands for: what tests compare with values.ts. */
const valuesProbe = `
uniform int uValueStart;
out float oValue;
void main() {
  ivec2 which = weightAt(gl_VertexID);
  oValue = edgeValue(uValueStart + which.x, edgeAt(which.x, which.y));
}
`

const EMPTY_FRAGMENT = `${HEAD}\nout vec4 fragColor;\nvoid main() { fragColor = vec4(0.0); }\n`

export const programs = {
  edges: { vertex: HEAD + frame + ends + curve + values + edgeValues + edgesVertex, fragment: HEAD + edgesFragment },
  maps: { vertex: HEAD + frame + mapsVertex, fragment: HEAD + frame + values + mapsFragment },
  picture: { vertex: HEAD + frame + pictureVertex, fragment: HEAD + frame + pictureFragment },
  ends: { vertex: HEAD + ends + curve + endsProbe, fragment: EMPTY_FRAGMENT },
  values: { vertex: HEAD + ends + values + edgeValues + valuesProbe, fragment: EMPTY_FRAGMENT },
}
