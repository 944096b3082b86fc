// The pixels of a map: values, colours, gaps between pixels, border and outline.

flat in int vMap;
in vec2 vAt;
in float vDistance;

uniform ivec2 uPixels;
uniform highp sampler2D uActivationsA;
uniform highp sampler2D uActivationsB;
uniform float uActivationBlend;
uniform ivec2 uActivationStart; // values of this layer, and its maps' largest values; −1: not recorded
uniform float uRange;           // value at which the ramp ends; < 0: each map has its own
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

out vec4 fragColor;

float packed1(highp sampler2D texture_, int index) {
  return texelFetch(texture_, ivec2(index & 2047, index >> 11), 0).r;
}

float blended(int index) {
  float a = packed1(uActivationsA, index);
  return uActivationBlend == 0.0 ? a : mix(a, packed1(uActivationsB, index), uActivationBlend);
}

float valueAt(ivec2 pixel) {
  pixel = clamp(pixel, ivec2(0), uPixels - 1);
  return blended(uActivationStart.x + (vMap * uPixels.x + pixel.x) * uPixels.y + pixel.y);
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

void main() {
  vec2 footprint = max(fwidth(vAt), 1e-4);
  vec2 size = vec2(uPixels);
  // Distance to the map's edge in screen pixels, negative outside.
  vec2 inside = min(vAt, size - vAt) / footprint;
  float edge = min(inside.x, inside.y);
  bool hot = vMap == uHotMap;
  float px = uViewport.z;
  if (edge < 0.0) {
    if (!hot || edge < -4.0 * px) discard;
    float ring = clamp(edge + 3.5 * px, 0.0, 1.0) * clamp(-edge - 0.5 * px, 0.0, 1.0);
    float ink = max(clamp(edge + 4.5 * px, 0.0, 1.0) * (1.0 - clamp(edge + 3.5 * px, 0.0, 1.0)), clamp(1.0 + edge / px, 0.0, 1.0)) * uAccentEdge.a;
    vec3 color = mix(uAccent, uAccentEdge.rgb, ink);
    float alpha = max(ring, ink);
    fragColor = vec4(color * alpha, alpha);
    return;
  }

  vec3 color = uPaper;
  if (uActivationStart.x >= 0) {
    float value = filtered(vAt, footprint);
    if (notANumber(value)) {
      // A value that is no number is shown as such: crossed out in the accent colour.
      vec2 cell = abs(fract(vAt) - 0.5);
      float cross_ = abs(cell.x - cell.y);
      color = mix(uPaper, uAccent, 1.0 - clamp((cross_ - 0.08) / max(footprint.x, 0.02), 0.0, 0.85));
    } else {
      float range = uRange >= 0.0 ? uRange : blended(uActivationStart.y + vMap);
      float v = sign(value) * pow(min(1e6, abs(value) * uGain / max(0.75 * range, 1e-30)), 0.65);
      color = mix(uPaper, ramp(v), coverage(vAt, footprint));
    }
  } else {
    // Not recorded: hatched.
    float stripe = abs(fract(dot(gl_FragCoord.xy, vec2(0.07)) / px) - 0.5);
    color = mix(uPaper, uBorder.rgb, 0.16 * step(0.38, stripe));
  }
  if (hot && uHotPixel.x >= 0 && uPixels != ivec2(1)) {
    vec2 from = abs(vAt - (vec2(uHotPixel) + 0.5)) / footprint;
    vec2 half_ = 0.5 / footprint;
    float d = max(from.x - half_.x, from.y - half_.y);
    color = mix(color, uAccent, clamp(d + 1.5, 0.0, 1.0) * clamp(2.0 - d, 0.0, 1.0));
  }
  color = mix(color, uBorder.rgb, uBorder.a * clamp(px + 0.5 - edge, 0.0, 1.0));
  color = mix(color, uBackground.rgb, 0.35 * depthCue(vDistance));
  if (uDim && vMap != uPinnedMap) color = mix(color, uBackground.rgb, 0.84);
  fragColor = vec4(color, 1.0);
}
