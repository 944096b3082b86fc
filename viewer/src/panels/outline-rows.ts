/** The outline as flat rows: layers, and modules that can be collapsed. */
import type { Layer } from '../generated/recording'

export interface OutlineRow {
  key: string
  depth: number
  /** Name of the module, or null for a layer. */
  module: string | null
  layer: Layer | null
  /** Layers in a module. */
  count: number
  open: boolean
}

interface Group {
  key: string
  name: string
  children: (Group | Layer)[]
}

function isGroup(child: Group | Layer): child is Group {
  return 'children' in child
}

/** Neighbours that share a module stand together; a module entered twice stands twice, as the network computes it. */
function groupLayers(layers: readonly Layer[]): Group {
  const root: Group = { key: '', name: '', children: [] }
  for (const layer of layers) {
    let at = root
    for (const name of layer.path ?? []) {
      const last = at.children.at(-1)
      if (last && isGroup(last) && last.name === name) at = last
      else {
        const group: Group = { key: `${at.key}/${name}#${at.children.length}`, name, children: [] }
        at.children.push(group)
        at = group
      }
    }
    at.children.push(layer)
  }
  return root
}

function countLayers(group: Group): number {
  return group.children.reduce((sum, c) => sum + (isGroup(c) ? countLayers(c) : 1), 0)
}

/** A module of one layer only repeats its name, so the layer stands for it. */
function flatten(group: Group, depth: number, isOpen: (key: string) => boolean, rows: OutlineRow[]): void {
  for (const child of group.children) {
    if (!isGroup(child)) {
      rows.push({ key: child.id, depth, module: null, layer: child, count: 1, open: false })
    } else if (countLayers(child) === 1) {
      flatten(child, depth, isOpen, rows)
    } else {
      const open = isOpen(child.key)
      rows.push({ key: child.key, depth, module: child.name, layer: null, count: countLayers(child), open })
      if (open) flatten(child, depth + 1, isOpen, rows)
    }
  }
}

/** Rows to show. A search looks at id, name and kind, and lists layers only. */
export function outlineRows(layers: readonly Layer[], query: string, isOpen: (key: string) => boolean): OutlineRow[] {
  const wanted = query.trim().toLowerCase()
  if (wanted) {
    return layers
      .filter(l => `${l.id} ${l.name} ${l.kind} ${l.kind.replaceAll('_', ' ')}`.toLowerCase().includes(wanted))
      .map(layer => ({ key: layer.id, depth: 0, module: null, layer, count: 1, open: false }))
  }
  const rows: OutlineRow[] = []
  flatten(groupLayers(layers), 0, isOpen, rows)
  return rows
}
