in vec2 vAt;
in float vDistance;

uniform sampler2D uPicture;
uniform vec4 uBorder;

out vec4 fragColor;

void main() {
  vec2 inside = min(vAt, 1.0 - vAt) / max(fwidth(vAt), 1e-5);
  vec3 color = texture(uPicture, vAt).rgb;
  color = mix(color, uBorder.rgb, uBorder.a * clamp(uViewport.z + 0.5 - min(inside.x, inside.y), 0.0, 1.0));
  fragColor = vec4(mix(color, uBackground.rgb, 0.35 * depthCue(vDistance)), 1.0);
}
