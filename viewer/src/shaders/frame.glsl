// What is the same for everything drawn in one frame.
layout(std140) uniform Frame {
  mat4 uViewProjection;
  vec4 uViewport;    // width, height in device pixels; device pixels per CSS pixel; focal length in device pixels
  vec4 uDepth;       // distance of the nearest and farthest part of the network, distance of its middle, depth cue on or off
  vec4 uBackground;  // the colour into which far things fade; w: 1 in the light theme
};

float depthCue(float distance_) {
  return uDepth.w * clamp((distance_ - uDepth.x) / max(1e-3, uDepth.y - uDepth.x), 0.0, 1.0);
}
