// Where an edge begins and ends. Twin of shaders/ends.ts: a test compares the two, end point by end point.
// Pictures' rows run down, the world's y runs up.

layout(std140) uniform Connection {
  ivec4 uLink;    // link (0 conv, 1 dense, 2 pool, 3 each), first map of the input and of the output in uCentres, map offset
  ivec4 uIn;      // input maps, rows, columns, maps drawn
  ivec4 uOut;     // output maps, rows, columns, maps drawn
  ivec4 uKernel;  // kernel rows, columns; input maps per group, output maps per group
  ivec4 uWindow;  // stride down, across; dilation down, across
  ivec4 uPad;     // padding above, left; 1 where the kernel's columns run H,W,C; number of weights
  ivec4 uRead;    // first input map that is read; walk (0 window, 1 transposed, 2 scaled)
};

uniform highp sampler2D uCentres;  // x, y, z, scale of every drawn map
uniform int uMode;                 // 0 frame, 1 pair, 2 weight, 3 calculation, 4 bundle by map, 5 bundle by tap, 6 skip
uniform float uExpansion;
uniform vec2 uCells;               // size of a pixel of the input and of the output
uniform int uFixedMap;             // only this output map, or −1 (weights and calculations)
uniform int uFixedPixel;           // calculation: only this output pixel, or −1
uniform vec3 uSkipFrom;            // skip: the arc's ends
uniform vec3 uSkipTo;
uniform int uSources;              // bundle: strands that lead into the middle; the others lead out of it

const int CONV = 0, DENSE = 1, POOL = 2, EACH = 3;
const int TRANSPOSED = 1, SCALED = 2;  // any other walk: a window
const int FRAME = 0, PAIR = 1, WEIGHT = 2, CALCULATION = 3, BUNDLE_MAP = 4, BUNDLE_TAP = 5, SKIP = 6;

struct Edge {
  vec3 from;
  vec3 to;
  int inMap;
  int outMap;
  ivec2 inPixel;   // row, column; (−1, −1) where the edge stands for the whole map
  bool padded;     // the input pixel lies in the padding
  bool drawn;      // both maps are drawn
  bool leadsIn;    // bundle: from the input to the middle
  bool leadsOut;   // bundle: from the middle to the output
};

vec4 centre(int map) {
  return texelFetch(uCentres, ivec2(map & 1023, map >> 10), 0);
}

// Offset of a point of a map from its centre; `at` in pixels (row, column), (0, 0) the outer corner of the first one.
vec2 inMapPlane(vec2 at, ivec2 size, float cell) {
  return vec2(at.y - 0.5 * float(size.y), 0.5 * float(size.x) - at.x) * cell;
}

int taps() { return uKernel.x * uKernel.y; }

// A column of a dense kernel -> map, row, column.
ivec3 denseInput(int n) {
  if (uPad.z == 1) return ivec3(n % uIn.x, (n / uIn.x) / uIn.z, (n / uIn.x) % uIn.z);
  int pixels = uIn.y * uIn.z;
  return ivec3(n / pixels, (n % pixels) / uIn.z, n % uIn.z);
}

// Integer division that rounds down; operators are not defined below zero.
ivec2 below(ivec2 a, ivec2 b) {
  return (a + 4096 * b) / b - 4096;
}

// Pixel of the input (row, column) that an output pixel reads under a tap.
ivec2 pixelUnder(ivec2 tap, ivec2 outPixel) {
  if (uRead.y == SCALED) return (2 * outPixel + 1) * uIn.yz / (2 * uOut.yz);
  if (uRead.y == TRANSPOSED) return below(outPixel + uPad.xy - tap * uWindow.zw, uWindow.xy);
  return outPixel * uWindow.xy - uPad.xy + tap * uWindow.zw;
}

// Transposed: whether the tap reaches the output pixel from a pixel at all.
bool reaches(ivec2 pixel, ivec2 tap, ivec2 outPixel) {
  return uRead.y != TRANSPOSED || pixel * uWindow.xy == outPixel + uPad.xy - tap * uWindow.zw;
}

// Where a tap of the kernel begins, relative to the centre of its input map.
vec2 tapPlace(ivec2 tap, ivec2 outPixel) {
  vec2 kernel = vec2(uKernel.xy);
  vec2 size = vec2(uIn.yz);
  vec2 own = 0.5 * size + (vec2(tap) - 0.5 * (kernel - 1.0)) * vec2(uWindow.zw);
  vec2 spread = (vec2(tap) + 0.5) / kernel * size;
  vec2 patch_ = vec2(pixelUnder(tap, outPixel)) + 0.5;
  vec2 at = mix(mix(own, spread, clamp(uExpansion - 1.0, 0.0, 1.0)), patch_, clamp(uExpansion - 2.0, 0.0, 1.0));
  return inMapPlane(at, uIn.yz, uCells.x);
}

int inputOf(int outMap, int i) {
  return (outMap / uKernel.w) * uKernel.z + i;
}

Edge windowEdge(int weight, int pixel) {
  Edge e;
  ivec2 tap = ivec2((weight % taps()) / uKernel.y, weight % uKernel.y);
  int rest = weight / taps();
  if (uLink.x == CONV) {
    e.outMap = rest / uKernel.z;
    e.inMap = inputOf(e.outMap, rest % uKernel.z);
  } else {
    e.inMap = rest;
    e.outMap = rest + uLink.w;
  }
  ivec2 outPixel = ivec2(pixel / uOut.z, pixel % uOut.z);
  e.inPixel = ivec2(-1);
  e.drawn = true;
  vec2 toPlace = vec2(0.0);
  if (uMode == CALCULATION) {
    e.inPixel = pixelUnder(tap, outPixel);
    e.drawn = reaches(e.inPixel, tap, outPixel);
    toPlace = inMapPlane(vec2(outPixel) + 0.5, uOut.yz, uCells.y) * clamp(uExpansion - 2.0, 0.0, 1.0);
  }
  e.from = vec3(tapPlace(tap, outPixel), 0.0);
  e.to = vec3(toPlace, 0.0);
  return e;
}

Edge denseEdge(int weight) {
  Edge e;
  int inputs = uIn.x * uIn.y * uIn.z;
  ivec3 source = denseInput(weight % inputs);
  e.outMap = weight / inputs;
  e.inMap = source.x;
  e.inPixel = source.yz;
  e.from = vec3(inMapPlane(vec2(source.yz) + 0.5, uIn.yz, uCells.x) * clamp(uExpansion - 1.0, 0.0, 1.0), 0.0);
  e.to = vec3(0.0);
  return e;
}

Edge pairEdge(int pair) {
  Edge e;
  e.outMap = pair / uIn.x;
  e.inMap = pair % uIn.x;
  e.inPixel = ivec2(-1);
  e.from = vec3(0.0);
  e.to = vec3(0.0);
  return e;
}

// Lines from corner to corner: every output pixel reads the same place of its own map.
Edge frameEdge(int id) {
  Edge e;
  e.inMap = id / 4;
  e.outMap = e.inMap + uLink.w;
  e.inPixel = ivec2(-1);
  vec2 corner = vec2((id & 2) >> 1, id & 1);
  e.from = vec3(inMapPlane(corner * vec2(uIn.yz), uIn.yz, uCells.x), 0.0);
  e.to = vec3(inMapPlane(corner * vec2(uOut.yz), uOut.yz, uCells.y), 0.0);
  return e;
}

Edge bundleEdge(int strand) {
  Edge e;
  e.inPixel = ivec2(-1);
  e.from = vec3(0.0);
  e.to = vec3(0.0);
  e.inMap = 0;
  e.outMap = 0;
  e.leadsIn = strand < uSources;
  e.leadsOut = !e.leadsIn;
  if (e.leadsOut) {
    e.outMap = strand - uSources;
  } else if (uMode == BUNDLE_MAP) {
    e.inMap = strand;
  } else if (uLink.x == DENSE) {
    ivec3 source = denseInput(strand);
    e.inMap = source.x;
    e.inPixel = source.yz;
    e.from.xy = inMapPlane(vec2(source.yz) + 0.5, uIn.yz, uCells.x) * clamp(uExpansion - 1.0, 0.0, 1.0);
  } else {
    e.inMap = strand / taps();
    e.from.xy = tapPlace(ivec2((strand % taps()) / uKernel.y, strand % uKernel.y), ivec2(0));
  }
  return e;
}

// `weight`: index of the weight (after ordering); for frames, pairs and bundles the strand itself.
// `pixel`: output pixel, for calculations.
Edge edgeAt(int weight, int pixel) {
  if (uMode == SKIP) return Edge(uSkipFrom, uSkipTo, 0, 0, ivec2(-1), false, true, false, false);
  Edge e;
  bool there = true;
  if (uMode == FRAME) e = frameEdge(weight);
  else if (uMode == PAIR) e = pairEdge(weight);
  else if (uMode >= BUNDLE_MAP) e = bundleEdge(weight);
  else if (uLink.x == DENSE) e = denseEdge(weight);
  else {
    e = windowEdge(weight, pixel);
    there = e.drawn;
  }
  if (uMode < BUNDLE_MAP) { e.leadsIn = false; e.leadsOut = false; }
  e.padded = uMode == CALCULATION && uLink.x != DENSE
    && (any(lessThan(e.inPixel, ivec2(0))) || any(greaterThanEqual(e.inPixel, uIn.yz)));
  e.inMap += uRead.x;
  e.drawn = there && (e.leadsOut || e.inMap < uIn.w) && (e.leadsIn || (e.outMap >= 0 && e.outMap < uOut.w));
  if (!e.drawn) return e;
  vec4 source = centre(uLink.y + e.inMap);
  vec4 target = centre(uLink.z + e.outMap);
  e.from = source.xyz + e.from * source.w;
  e.to = target.xyz + e.to * target.w;
  return e;
}

// Weights of one output map (taps, for pools).
int weightsPerMap() {
  if (uLink.x == DENSE) return uIn.x * uIn.y * uIn.z;
  return uLink.x == CONV ? uKernel.z * taps() : taps();
}

// Strand number `id` -> (weight, output pixel): all maps and pixels, or the fixed ones.
ivec2 weightAt(int id) {
  if (uMode != CALCULATION && uFixedMap < 0) return ivec2(id, 0);
  int perMap = weightsPerMap();
  int perPixel = uFixedMap >= 0 ? perMap : uPad.w;
  int first = uFixedMap < 0 ? 0 : uLink.x == CONV || uLink.x == DENSE ? uFixedMap : uFixedMap - uLink.w;
  return ivec2(id % perPixel + first * perMap, uFixedPixel >= 0 ? uFixedPixel : id / perPixel);
}
