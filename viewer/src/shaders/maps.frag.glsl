// The pixels of a map: values, colours, gaps between pixels, border and outline.

flat in int vMap;
flat in int vLine;
in vec2 vAt;
in float vDistance;

uniform ivec2 uPixels;
uniform ivec2 uActivationStart; // values of this layer, and its maps' largest values; −1: not recorded, −2: on its way
uniform int uOtherStart;         // the other side's values of this layer, where the difference is shown
uniform float uRange;           // value at which the ramp ends; < 0: each map has its own
uniform highp sampler2D uMapRanges; // where two sides are compared: each map's own, for both
uniform int uMapRangeStart;     // where this layer's begin; −1: the maps' largest values count
uniform float uGain;
uniform vec3 uRamp[5];
uniform bool uSigned;           // the ramp's middle is zero
uniform float uShare;           // share of its cell that a pixel fills
uniform bool uRound;
uniform vec3 uPaper;            // between the pixels
uniform vec4 uBorder;
uniform vec3 uAccent;
uniform vec4 uAccentEdge;
uniform int uHotMap;
uniform ivec2 uHotPixel;
uniform int uPinnedMap;         // other maps recede; −1: none
uniform bool uDim;
uniform ivec4 uPatch;
uniform ivec2 uPatchMaps;
uniform float uLow;             // pictures: value at which the ramp begins
uniform bool uLinear;           // pictures keep their own gradation
uniform vec3 uTints[3];         // red, green and blue inputs in their own colour
uniform bool uTinted;
uniform bool uTiled;            // a wall of small tiles

out vec4 fragColor;

float valueAt(ivec2 pixel) {
  pixel = clamp(pixel, ivec2(0), uPixels - 1);
  int at = (vMap * uPixels.x + pixel.x) * uPixels.y + pixel.y;
  float own = activation(uActivationStart.x + at);
  return uDifference ? otherActivation(uOtherStart + at) - own : own;
}

// Averaged over the screen pixel's footprint where pixels are smaller than it.
float filtered(vec2 at, vec2 footprint) {
  ivec2 n = ivec2(clamp(ceil(footprint * 2.0 - 0.5), vec2(1.0), vec2(4.0)));
  float sum = 0.0;
  for (int i = 0; i < n.x; i++)
    for (int j = 0; j < n.y; j++)
      sum += valueAt(ivec2(floor(at + footprint * ((vec2(i, j) + 0.5) / vec2(n) - 0.5))));
  return sum / float(n.x * n.y);
}

vec3 ramp(float v) {
  float at = clamp(uSigned ? 0.5 + 0.5 * v : v, 0.0, 1.0) * 4.0;
  int i = min(3, int(at));
  return mix(uRamp[i], uRamp[i + 1], at - float(i));
}

// Integral of the pulse train of pixels with gaps between them.
vec2 pulses(vec2 x) {
  return floor(x) * uShare + clamp(fract(x) - 0.5 * (1.0 - uShare), 0.0, uShare);
}

float coverage(vec2 at, vec2 footprint) {
  if (uPixels == ivec2(1)) return 1.0;
  vec2 box = (pulses(at + 0.5 * footprint) - pulses(at - 0.5 * footprint)) / footprint;
  float square = clamp(box.x * box.y, 0.0, 1.0);
  if (!uRound) return square;
  float radius = 0.5 * uShare;
  float width = 0.5 * (footprint.x + footprint.y);
  float disc = clamp((radius - length(fract(at) - 0.5)) / width + 0.5, 0.0, 1.0);
  return mix(disc, 3.14159 * radius * radius, clamp((width - 0.45) / 0.55, 0.0, 1.0));
}

bool notANumber(float v) {
  return !(v <= 3.4e38 && v >= -3.4e38);
}

float ownRange() {
  return uMapRangeStart >= 0 ? packed1(uMapRanges, uMapRangeStart + vMap) : activation(uActivationStart.y + vMap);
}

vec3 colorOf(float value) {
  if (uTinted) return mix(uPaper, uTints[min(vMap, 2)], clamp((value - uLow) / max(uRange - uLow, 1e-30), 0.0, 1.0));
  float range = uRange >= 0.0 ? uRange : ownRange();
  if (uLinear) return ramp((value - uLow) * uGain / max(range - uLow, 1e-30));
  return ramp(sign(value) * pow(min(1e6, abs(value) * uGain / max(0.75 * range, 1e-30)), 0.65));
}

vec3 pixelColor(vec2 footprint, float px) {
  if (uActivationStart.x == -2) return uPaper;
  if (uActivationStart.x < 0) {
    // Not recorded: hatched.
    float stripe = abs(fract(dot(gl_FragCoord.xy, vec2(0.07)) / px) - 0.5);
    return mix(uPaper, uBorder.rgb, 0.16 * step(0.38, stripe));
  }
  float value = filtered(vAt, footprint);
  if (notANumber(value)) {
    // A value that is no number is shown as such: crossed out in the accent colour.
    vec2 cell = abs(fract(vAt) - 0.5);
    return mix(uPaper, uAccent, 1.0 - clamp((abs(cell.x - cell.y) - 0.08) / max(footprint.x, 0.02), 0.0, 0.85));
  }
  return mix(uPaper, colorOf(value), uTiled ? 1.0 : coverage(vAt, footprint));
}

// Signed distance to a rectangle of pixels, in screen pixels, positive inside.
float insideOf(vec4 rectangle, vec2 footprint) {
  vec2 d = min(vAt - rectangle.xy, rectangle.zw - vAt) / footprint;
  return min(d.x, d.y);
}

// A frame of 2 px along the inner edge.
float frameOf(float inside, float px) {
  return clamp(inside + 0.5, 0.0, 1.0) * clamp(2.0 * px - inside + 0.5, 0.0, 1.0);
}

// Around a highlighted map, outside the picture: the accent, in the light theme between two edges of ink.
vec4 outline(float edge, float px) {
  float ring = clamp(edge + 3.5 * px, 0.0, 1.0) * clamp(-edge - 0.5 * px, 0.0, 1.0);
  float outer = clamp(edge + 4.5 * px, 0.0, 1.0) * (1.0 - clamp(edge + 3.5 * px, 0.0, 1.0));
  float ink = max(outer, clamp(1.0 + edge / px, 0.0, 1.0)) * uAccentEdge.a;
  return vec4(mix(uAccent, uAccentEdge.rgb, ink), max(ring, ink));
}

// Padding under the kernel: ghost pixels, empty cells with an outline.
vec4 ghost(vec2 footprint) {
  vec2 from = min(fract(vAt), 1.0 - fract(vAt)) / footprint;
  float line = clamp(1.2 - min(from.x, from.y), 0.0, 1.0);
  return vec4(uBorder.rgb, 0.1 + 0.35 * line);
}

void main() {
  if (vLine == 1) {
    fragColor = vec4(uBorder.rgb, 1.0) * uBorder.a * 0.7;
    return;
  }
  vec2 footprint = max(fwidth(vAt), 1e-4);
  float px = uViewport.z;
  // Distance to the map's edge in screen pixels, negative outside.
  float edge = insideOf(vec4(vec2(0.0), vec2(uPixels)), footprint);
  bool hot = vMap == uHotMap;
  bool patched = vMap >= uPatchMaps.x && vMap < uPatchMaps.y;
  float inPatch = patched ? insideOf(vec4(uPatch), footprint) : -1e3;
  if (edge < 0.0) {
    vec4 around = hot && edge > -5.0 * px ? outline(edge, px) : vec4(0.0);
    if (inPatch > 0.0) {
      around = ghost(footprint);
      around = mix(around, vec4(uAccent, 1.0), frameOf(inPatch, px));
    }
    if (around.a < 0.004) discard;
    fragColor = vec4(around.rgb * around.a, around.a);
    return;
  }
  vec3 color = pixelColor(footprint, px);
  if (hot && uHotPixel.x >= 0 && uPixels != ivec2(1)) {
    vec2 from = vec2(uHotPixel);
    float d = insideOf(vec4(from, from + 1.0), footprint) + 2.0 * px;
    color = mix(color, uAccent, frameOf(d, px));
  }
  if (!uTiled) color = mix(color, uBorder.rgb, uBorder.a * clamp(px + 0.5 - edge, 0.0, 1.0));
  if (patched) color = mix(color, uAccent, frameOf(inPatch, px));
  color = mix(color, uBackground.rgb, 0.35 * depthCue(vDistance));
  if (uDim && vMap != uPinnedMap) color = mix(color, uBackground.rgb, 0.84);
  fragColor = vec4(color, 1.0);
}
