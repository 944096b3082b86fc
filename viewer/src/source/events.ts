/** Server-sent events that tell when a recording changes. A host that has none is asked once and left alone. */
import type { News } from './source'

/** After a connection that the browser has given up. Milliseconds. */
const AGAIN_AFTER = 2_000

/**
 * Calls `on` with every message of `url`, and with null when a connection that was there is lost: it is tried again until
 * the returned function is called. A page in the background lets go of it, since a browser has six for each host.
 */
export function watchEvents(url: URL, on: (news: News | null) => void): () => void {
  let events: EventSource | null = null
  let known = false
  let timer = 0
  const close = () => {
    clearTimeout(timer)
    events?.close()
    events = null
  }
  const open = () => {
    close()
    const opened = new EventSource(url)
    events = opened
    opened.onmessage = ({ data }) => {
      known = true
      on(JSON.parse(data))
    }
    opened.onerror = () => {
      if (known) on(null)
      if (opened.readyState !== EventSource.CLOSED) return
      // Not there at all: 404, or no stream of events.
      if (known) timer = window.setTimeout(open, AGAIN_AFTER)
      else stop()
    }
  }
  const seen = () => {
    if (document.hidden) close()
    else if (!events) open()
  }
  const stop = () => {
    close()
    document.removeEventListener('visibilitychange', seen)
  }
  document.addEventListener('visibilitychange', seen)
  seen()
  return stop
}
