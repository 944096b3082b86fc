// Values between two checkpoints, and their difference from those of another side. Twin of shaders/values.ts.

uniform highp sampler2D uActivationsBefore;
uniform highp sampler2D uActivationsAfter;
uniform float uActivationBlend;
uniform highp sampler2D uOtherActivationsBefore;
uniform highp sampler2D uOtherActivationsAfter;
uniform float uOtherActivationBlend;
uniform bool uDifference;  // values are the other side's less the own

float packed1(in highp sampler2D values, int index) {
  return texelFetch(values, ivec2(index & 2047, index >> 11), 0).r;
}

float blended(in highp sampler2D before, in highp sampler2D after, float t, int index) {
  float a = packed1(before, index);
  return t == 0.0 ? a : mix(a, packed1(after, index), t);
}

float activation(int index) {
  return blended(uActivationsBefore, uActivationsAfter, uActivationBlend, index);
}

float otherActivation(int index) {
  return blended(uOtherActivationsBefore, uOtherActivationsAfter, uOtherActivationBlend, index);
}
