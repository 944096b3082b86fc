/** Elements that carry text over the stage. */

export function element(tag: string, className = '', text = ''): HTMLElement {
  const made = document.createElement(tag)
  if (className) made.className = className
  made.textContent = text
  return made
}

export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

export function show(node: HTMLElement, visible: boolean): void {
  node.style.visibility = visible ? 'visible' : 'hidden'
}

export function move(node: HTMLElement, x: number, y: number): void {
  node.style.transform = `translate(${x}px, ${y}px)`
}
