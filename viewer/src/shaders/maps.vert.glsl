// One quad per map, one draw per layer; a second draw shows all maps as tiles of a wall, and lines from tiles to maps.

uniform highp sampler2D uCentres;
uniform int uFirst;
uniform vec2 uSize;      // of a map, in world units
uniform ivec2 uPixels;   // rows, columns
uniform int uHotMap;
uniform ivec4 uPatch;    // framed pixels: first row and column, row and column after the last; may lie outside the map
uniform ivec2 uPatchMaps; // first map with the frame, and the one after the last
uniform vec4 uWall;      // left, top, pitch of a tile, z
uniform ivec3 uTiles;    // columns, tiles; maps drawn in full (0 tiles: no wall)

flat out int vMap;
flat out int vLine;      // 1: a line from a tile to its map
out vec2 vAt;            // row, column: 0 … rows, 0 … columns, more where an outline or a patch surrounds the map
out float vDistance;

vec2 corner() {
  return vec2(gl_VertexID & 1, gl_VertexID >> 1);
}

vec4 centre(int map) {
  return texelFetch(uCentres, ivec2((uFirst + map) & 1023, (uFirst + map) >> 10), 0);
}

vec3 tileCentre(int map) {
  vec2 at = vec2(map % uTiles.x, map / uTiles.x) + 0.5;
  return vec3(uWall.x + at.x * uWall.z, uWall.y - at.y * uWall.z, uWall.w);
}

void place(vec3 at) {
  gl_Position = uViewProjection * vec4(at, 1.0);
  vDistance = gl_Position.w;
}

void tile() {
  vec2 size = vec2(uPixels.yx);
  vec2 extent = 0.86 * uWall.z * size / max(size.x, size.y);
  vAt = corner().yx * vec2(uPixels);
  place(tileCentre(vMap) + vec3((corner() - 0.5) * extent * vec2(1.0, -1.0), 0.0));
}

void line() {
  vMap = gl_InstanceID - uTiles.y;
  vLine = 1;
  vec3 from = tileCentre(vMap) - vec3(0.0, 0.43 * uWall.z, 0.0);
  vec4 map = centre(vMap);
  vec3 to = map.xyz + vec3(0.0, 0.5 * uSize.y * map.w, 0.0);
  place(corner().y < 0.5 ? from : to);
  // One screen pixel wide.
  gl_Position.x += (corner().x - 0.5) * 2.0 * uViewport.z / uViewport.x * gl_Position.w;
  vAt = vec2(0.0);
}

void main() {
  vMap = gl_InstanceID;
  vLine = 0;
  if (uTiles.y > 0) {
    if (gl_InstanceID < uTiles.y) tile();
    else line();
    return;
  }
  vec4 middle = centre(vMap);
  float distance_ = (uViewProjection * vec4(middle.xyz, 1.0)).w;
  vec2 size = uSize * middle.w;
  vec2 cell = size / vec2(uPixels.yx);
  // Room for the outline of a highlighted map and for a patch that reaches into the padding.
  float margin = vMap == uHotMap ? 5.0 * uViewport.z * distance_ / uViewport.w : 0.0;
  if (vMap >= uPatchMaps.x && vMap < uPatchMaps.y) {
    ivec2 over = max(max(-uPatch.xy, uPatch.zw - uPixels), ivec2(0));
    margin = max(margin, (float(max(over.x, over.y)) + 0.5) * max(cell.x, cell.y));
  }
  vec2 grown = size + 2.0 * margin;
  vAt = ((corner() - 0.5) * grown / cell + 0.5 * vec2(uPixels.yx)).yx;
  place(middle.xyz + vec3((corner() - 0.5) * grown * vec2(1.0, -1.0), 0.0));
}
