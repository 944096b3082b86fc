/** The page: reads the recording beside it, or the one that the address names. */
import { createViewer } from './create'
import { HttpSource } from './source/http'

const element = document.getElementById('app')!
const address = new URLSearchParams(location.search).get('recording') ?? 'recording/'

createViewer(element, new HttpSource(new URL(address, location.href).href), { address: true }).then(
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
