/** The page: reads the recording beside it, or the one that the address names, and one to compare it with if told. */
import { createViewer } from './create'
import { HttpSource } from './source/http'

const element = document.getElementById('app')!
const query = new URLSearchParams(location.search)

/** A recording named in the page's address. Throws one sentence for the screen. */
function sourceAt(address: string): HttpSource {
  const url = URL.canParse(address, location.href) ? new URL(address, location.href) : null
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new Error(`${address} is no address of a recording: it looks like runs/b/ or https://host/folder/.`)
  }
  return new HttpSource(url)
}

async function open() {
  const second = query.get('b')
  return createViewer(element, sourceAt(query.get('recording') ?? 'recording/'), {
    address: true,
    second: second === null ? undefined : sourceAt(second),
  })
}

open().then(
  cutaway => {
    window.cutaway = cutaway
    window.dispatchEvent(new CustomEvent('cutaway', { detail: cutaway }))
  },
  error => {
    const message = document.createElement('p')
    message.className = 'failure'
    message.setAttribute('role', 'alert')
    message.textContent = error instanceof Error ? error.message : String(error)
    element.replaceChildren(message)
  },
)
