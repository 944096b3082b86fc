// The picture as people see it: one quad before the input.

uniform vec3 uPlace;  // width, height, z

out vec2 vAt;
out float vDistance;

void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vAt = corner;
  gl_Position = uViewProjection * vec4((corner - 0.5) * uPlace.xy * vec2(1.0, -1.0), uPlace.z, 1.0);
  vDistance = gl_Position.w;
}
