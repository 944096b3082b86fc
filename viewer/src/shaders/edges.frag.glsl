in vec3 vColor;
in float vAlpha;
in float vAcross;
in float vHalfWidth;
in float vAlong;

uniform float uFade;   // 0 … 1: how much ribbons fade towards their ends
uniform float uCover;  // how much of what is behind an edge hides: 1 as paint, less lets crossings keep their sign

out vec4 fragColor;

void main() {
  float edge = clamp(vHalfWidth + 0.5 - abs(vAcross), 0.0, 1.0);
  float fade = mix(1.0, smoothstep(0.0, 0.07, vAlong) * mix(1.0, 0.28, smoothstep(0.86, 1.0, vAlong)), uFade);
  float alpha = vAlpha * edge * fade;
  if (alpha < 0.001) discard;
  fragColor = vec4(vColor * alpha, uCover * alpha);
}
