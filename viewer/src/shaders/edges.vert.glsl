// One ribbon per edge, pulled from gl_VertexID: no vertex buffer holds an edge.

uniform int uCount;             // strands to draw
uniform int uSegments;
uniform int uBatch;             // strands an instance
uniform bool uOrdered;
uniform highp usampler2D uOrder;  // weights by rising |w|
uniform int uOrderStart;
uniform int uValueStart;        // where this mode's values begin; −1: no values
uniform float uLargest;         // largest |value|
uniform float uGain;
uniform vec4 uStyle;            // width 0, width 1 in CSS pixels; alpha 0, alpha 1
uniform float uStyleGamma;
uniform float uLineWidth;
uniform float uPerspectiveWidth;
uniform float uAlpha;           // of the whole draw (cross-fades, dimming)
uniform vec3 uColors[3];        // −, 0, +
uniform ivec2 uHot;             // highlighted input map and output map, or −1
uniform float uOthers;          // alpha of what is not highlighted

out vec3 vColor;
out float vAlpha;
out float vAcross;              // device pixels from the middle of the ribbon
out float vHalfWidth;
out float vAlong;               // 0 … 1

void hide() {
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  vColor = vec3(0.0);
  vAlpha = vAcross = vHalfWidth = vAlong = 0.0;
}

void main() {
  int perStrand = 2 * (uSegments + 1);
  int strand = gl_InstanceID * uBatch + gl_VertexID / perStrand;
  int corner = gl_VertexID % perStrand;
  if (strand >= uCount) { hide(); return; }

  ivec2 which = weightAt(strand);
  if (uOrdered) {
    int at = which.x + uOrderStart;
    which.x = int(texelFetch(uOrder, ivec2(at & 2047, at >> 11), 0).r);
  }
  Edge e = edgeAt(which.x, which.y);
  if (!e.drawn) { hide(); return; }

  float value = 0.0;
  float strength = 0.0;
  if (uValueStart >= 0) {
    value = edgeValue(uValueStart + which.x, e);
    // NaN compares false: such an edge is drawn at full strength in the neutral colour.
    strength = abs(value) < 1e30 ? clamp(abs(value) / max(uLargest, 1e-30) * uGain, 0.0, 1.0) : 1.0;
  }
  bool hot = (uHot.x >= 0 || uHot.y >= 0)
    && (uHot.x < 0 || (e.inMap == uHot.x && !e.leadsOut)) && (uHot.y < 0 || (e.outMap == uHot.y && !e.leadsIn));
  float width = mix(uStyle.x, uStyle.y, pow(strength, 1.2));
  float alpha = mix(uStyle.z, uStyle.w, pow(strength, uStyleGamma));
  if (hot) { alpha = max(alpha, 0.37); width += 0.5; }
  else alpha *= uOthers;
  alpha *= uAlpha;
  if (e.padded) alpha *= 0.3;

  float t = float(corner >> 1) / float(uSegments);
  // Bundled strands are half as long: into the middle, or out of it.
  float begin = e.leadsOut ? 0.5 : 0.0;
  float length_ = e.leadsIn || e.leadsOut ? 0.5 : 1.0;
  float step_ = 0.5 / float(uSegments);
  vec4 here = uViewProjection * vec4(curve(e.from, e.to, begin + length_ * t), 1.0);
  vec4 before = uViewProjection * vec4(curve(e.from, e.to, begin + length_ * max(0.0, t - step_)), 1.0);
  vec4 after = uViewProjection * vec4(curve(e.from, e.to, begin + length_ * min(1.0, t + step_)), 1.0);
  if (here.w < 0.1) { hide(); return; }

  width *= uLineWidth * mix(1.0, uDepth.z / here.w, uPerspectiveWidth) * uViewport.z;
  if (width < 1.0) { alpha *= width; width = 1.0; }
  alpha *= 1.0 - 0.35 * depthCue(here.w);
  if (alpha < 0.0015) { hide(); return; }

  vec2 direction = (after.xy / max(after.w, 0.1) - before.xy / max(before.w, 0.1)) * uViewport.xy;
  float long_ = length(direction);
  vec2 normal = long_ > 1e-4 ? vec2(-direction.y, direction.x) / long_ : vec2(0.0, 1.0);
  float side = float((corner & 1) * 2 - 1);
  float reach = 0.5 * width + 1.0;
  here.xy += normal * side * reach * 2.0 / uViewport.xy * here.w;
  gl_Position = here;

  vec3 end = value < 0.0 ? uColors[0] : uColors[2];
  vColor = mix(uColors[1], end, min(1.0, 1.12 * pow(strength, 0.7)));
  vAlpha = alpha;
  vAcross = side * reach;
  vHalfWidth = 0.5 * width;
  vAlong = uMode == FRAME ? 0.5 : begin + length_ * t;
}
