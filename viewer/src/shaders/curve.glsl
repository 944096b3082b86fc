// The shape of a ribbon: a logistic curve across, a straight line along the network. Twin of curve() in shaders/ends.ts.

uniform vec3 uMiddle;    // where bundled edges meet
uniform float uBundle;   // 0 … 1

uniform float uArc;       // how far the middle is lifted (skips)
uniform float uSteepness; // of the logistic curve; 0: straight

float sigmoid(float t) {
  if (uSteepness < 0.01) return t;
  float low = 1.0 / (1.0 + exp(0.5 * uSteepness));
  return (1.0 / (1.0 + exp(uSteepness * (0.5 - t))) - low) / (1.0 - 2.0 * low);
}

vec3 bend(vec3 a, vec3 b, float t) {
  return vec3(mix(a.xy, b.xy, sigmoid(t)), mix(a.z, b.z, t));
}

// Point of an edge at t, 0 at its input and 1 at its output.
vec3 curve(vec3 from, vec3 to, float t) {
  vec3 free_ = bend(from, to, t);
  free_.y += uArc * sin(3.14159265 * t);
  if (uBundle == 0.0) return free_;
  vec3 tied = t < 0.5 ? bend(from, uMiddle, 2.0 * t) : bend(uMiddle, to, 2.0 * t - 1.0);
  return mix(free_, tied, uBundle);
}
