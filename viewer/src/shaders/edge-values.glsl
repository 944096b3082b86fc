// What an edge stands for: its weight or sum, or that × the input that it multiplies. Twin of edgeValue() in shaders/values.ts.

uniform highp sampler2D uValuesBefore;
uniform highp sampler2D uValuesAfter;
uniform float uBlend;
uniform highp sampler2D uOtherValuesBefore;
uniform highp sampler2D uOtherValuesAfter;
uniform float uOtherBlend;
uniform bool uTimesActivation;
uniform int uActivationStart;       // where the input's values begin
uniform int uOtherActivationStart;

float edgeValue(int index, Edge e) {
  float own = blended(uValuesBefore, uValuesAfter, uBlend, index);
  float other = uDifference ? blended(uOtherValuesBefore, uOtherValuesAfter, uOtherBlend, index) : 0.0;
  if (uTimesActivation) {
    if (e.padded) return 0.0;
    int at = (e.inMap * uIn.y + e.inPixel.x) * uIn.z + e.inPixel.y;
    own *= activation(uActivationStart + at);
    if (uDifference) other *= otherActivation(uOtherActivationStart + at);
  }
  return uDifference ? other - own : own;
}
