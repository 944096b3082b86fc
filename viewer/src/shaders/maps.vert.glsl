// One quad per map, one draw per layer.

uniform highp sampler2D uCentres;
uniform int uFirst;
uniform vec2 uSize;    // of a map, in world units
uniform ivec2 uPixels; // rows, columns
uniform int uHotMap;

flat out int vMap;
out vec2 vAt;          // row, column: 0 … rows, 0 … columns, a little more where an outline surrounds the map
out float vDistance;

void main() {
  vMap = gl_InstanceID;
  vec4 centre = texelFetch(uCentres, ivec2((uFirst + vMap) & 1023, (uFirst + vMap) >> 10), 0);
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  float distance_ = (uViewProjection * vec4(centre.xyz, 1.0)).w;
  // Room for the outline of a highlighted map, outside the picture.
  float margin = vMap == uHotMap ? 5.0 * uViewport.z * distance_ / uViewport.w : 0.0;
  vec2 size = uSize * centre.w;
  vec2 grown = size + 2.0 * margin;
  vec3 place = centre.xyz + vec3((corner - 0.5) * grown * vec2(1.0, -1.0), 0.0);
  vec2 cell = size / vec2(uPixels.yx);
  vAt = ((corner - 0.5) * grown / cell + 0.5 * vec2(uPixels.yx)).yx;
  gl_Position = uViewProjection * vec4(place, 1.0);
  vDistance = gl_Position.w;
}
