/** All icons: 16 × 16, drawn with the current colour. */
import type { ComponentChildren, JSX } from 'preact'
import type { Kind } from '../generated/recording'

function Icon({ children, size = 16 }: { children: ComponentChildren; size?: number }): JSX.Element {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.25"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  )
}

export function Mark(): JSX.Element {
  return (
    <svg class="mark" width="24" height="24" viewBox="0 0 24 24" fill="none" stroke-width="1.5" aria-hidden="true">
      <rect x="8.5" y="4.5" width="12.5" height="11.5" rx="2.5" stroke="var(--text-2)" />
      <rect x="3" y="8.5" width="12.5" height="11" rx="2.5" stroke="var(--text-1)" fill="var(--background)" />
      <path d="M3 14h12.5" stroke="var(--accent)" stroke-width="1.75" />
    </svg>
  )
}

const shapes = {
  square: <rect x="3" y="3" width="10" height="10" rx="1.5" />,
  grid: (
    <>
      <rect x="2.5" y="2.5" width="11" height="11" rx="1.5" />
      <path d="M6.2 2.5v11M9.8 2.5v11M2.5 6.2h11M2.5 9.8h11" />
    </>
  ),
  funnel: <path d="M2.5 3.5h11L9.6 8.4v3.4l-3.2 1.7V8.4z" />,
  nodes: (
    <>
      <circle cx="4" cy="4" r="1.6" />
      <circle cx="4" cy="12" r="1.6" />
      <circle cx="12.2" cy="8" r="1.6" />
      <path d="M5.5 4.8l5.2 2.5M5.5 11.2l5.2-2.5" />
    </>
  ),
  curve: <path d="M2 12.5h5l6.5-9" />,
  wave: <path d="M2 12c6 0 6-8 12-8" />,
  norm: <path d="M2 12.5c3.5 0 3.5-9 6-9s2.5 9 6 9" />,
  plus: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 5.5v5M5.5 8h5" />
    </>
  ),
  times: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M6.2 6.2l3.6 3.6M9.8 6.2l-3.6 3.6" />
    </>
  ),
  concat: <path d="M3 3.5h4v9H3zM9 3.5h4v9H9z" />,
  flat: <path d="M2.5 6.5h11v3h-11zM6 6.5v3M10 6.5v3" />,
  stack: (
    <>
      <rect x="5.5" y="2.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 13.5H4A1.5 1.5 0 0 1 2.5 12V5.5" />
    </>
  ),
  drop: (
    <>
      <circle cx="8" cy="8" r="5.5" stroke-dasharray="2.2 2.2" />
    </>
  ),
  box: <rect x="2.5" y="4.5" width="11" height="7" rx="1.5" stroke-dasharray="2.5 2" />,
}

const kindShapes: Partial<Record<Kind, keyof typeof shapes>> = {
  input: 'square',
  output: 'square',
  constant: 'square',
  conv1d: 'grid',
  conv2d: 'grid',
  conv3d: 'grid',
  conv_transpose2d: 'grid',
  depthwise_conv2d: 'grid',
  dense: 'nodes',
  embedding: 'nodes',
  attention: 'nodes',
  recurrent: 'nodes',
  max_pool2d: 'funnel',
  average_pool2d: 'funnel',
  global_average_pool: 'funnel',
  adaptive_pool: 'funnel',
  batch_norm: 'norm',
  layer_norm: 'norm',
  group_norm: 'norm',
  relu: 'curve',
  leaky_relu: 'curve',
  prelu: 'curve',
  sigmoid: 'wave',
  tanh: 'wave',
  gelu: 'wave',
  silu: 'wave',
  softmax: 'wave',
  activation: 'wave',
  add: 'plus',
  subtract: 'plus',
  multiply: 'times',
  concat: 'concat',
  flatten: 'flat',
  reshape: 'flat',
  permute: 'flat',
  dropout: 'drop',
}

export function KindIcon({ kind }: { kind: Kind | 'module' }): JSX.Element {
  return <Icon size={14}>{shapes[kind === 'module' ? 'stack' : (kindShapes[kind] ?? 'box')]}</Icon>
}

const glyphs = {
  search: <path d="M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.4 10.4l3.1 3.1" />,
  check: <path d="M3 8.5l3.2 3.2L13 4.8" />,
  cross: <path d="M4 4l8 8M12 4l-8 8" />,
  down: <path d="M4 6l4 4 4-4" />,
  up: <path d="M4 10l4-4 4 4" />,
  right: <path d="M6 4l4 4-4 4" />,
  left: <path d="M10 4L6 8l4 4" />,
  play: <path d="M5 3.2v9.6l7.8-4.8z" fill="currentColor" />,
  pause: <path d="M5.5 3.5v9M10.5 3.5v9" stroke-width="2" />,
  stepBack: <path d="M12 3.8v8.4L5.6 8zM4 4v8" fill="currentColor" />,
  stepOn: <path d="M4 3.8v8.4L10.4 8zM12 4v8" fill="currentColor" />,
  loop: (
    <path d="M3 8.6V7.2a2.4 2.4 0 0 1 2.4-2.4h7.1M10.4 2.6l2.2 2.2-2.2 2.2M13 7.4v1.4a2.4 2.4 0 0 1-2.4 2.4H3.5M5.6 13.4l-2.2-2.2L5.6 9" />
  ),
  panels: (
    <>
      <rect x="2" y="3" width="12" height="10" rx="1.5" />
      <path d="M6 3v10M6 10h8" />
    </>
  ),
  frame: <path d="M2.5 5.5v-3h3M10.5 2.5h3v3M13.5 10.5v3h-3M5.5 13.5h-3v-3" />,
  lines: <path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h6" />,
  compare: (
    <>
      <rect x="2" y="3" width="12" height="10" rx="1.5" />
      <path d="M8 3v10" />
      <path
        d="M8 3h4.5A1.5 1.5 0 0 1 14 4.5v7a1.5 1.5 0 0 1-1.5 1.5H8z"
        fill="currentColor"
        fill-opacity=".35"
        stroke="none"
      />
    </>
  ),
  swap: <path d="M4.5 3L2 5.5 4.5 8M2 5.5h10M11.5 8l2.5 2.5-2.5 2.5M14 10.5H4" />,
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.5v1.4M8 13.1v1.4M1.5 8h1.4M13.1 8h1.4M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1" />
    </>
  ),
  undo: <path d="M5.5 3L2.5 6l3 3M2.5 6h6.8a4 4 0 0 1 0 8H6.5" />,
  redo: <path d="M10.5 3l3 3-3 3M13.5 6H6.7a4 4 0 0 0 0 8h2.8" />,
  link: (
    <path d="M6.6 9.4a2.6 2.6 0 0 0 3.7 0l2.4-2.4A2.62 2.62 0 0 0 9 3.3l-.9.9M9.4 6.6a2.6 2.6 0 0 0-3.7 0L3.3 9A2.62 2.62 0 0 0 7 12.7l.9-.9" />
  ),
  picture: (
    <>
      <rect x="2" y="3" width="12" height="10" rx="1.5" />
      <path d="M2.5 11l3.2-3.2 2.6 2.6 2-2 3.2 3.2" />
      <circle cx="10.6" cy="5.9" r=".9" />
    </>
  ),
  fullscreen: <path d="M9.5 6.5l4-4M10 2.5h3.5V6M6.5 9.5l-4 4M6 13.5H2.5V10" />,
  shrink: <path d="M13.5 2.5l-4 4M9.5 3v3.5H13M2.5 13.5l4-4M3 9.5h3.5V13" />,
  help: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M6.2 6.3a1.85 1.85 0 1 1 2.7 1.9c-.6.3-.9.6-.9 1.2M8 11.4v.1" />
    </>
  ),
  reset: <path d="M3 3v3.5h3.5M3.3 6.3A5.2 5.2 0 1 1 2.9 9.4" />,
  moon: <path d="M13 9.4A5.5 5.5 0 0 1 6.6 3 5.5 5.5 0 1 0 13 9.4z" />,
}

export type GlyphName = keyof typeof glyphs

export function Glyph({ name, size = 14 }: { name: GlyphName; size?: number }): JSX.Element {
  return <Icon size={size}>{glyphs[name]}</Icon>
}
