import { useSignal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useLayoutEffect } from 'preact/hooks'

/** Size of an element in CSS px, as a signal; [0, 0] before the first layout. */
export function useSize(ref: RefObject<HTMLElement | null>) {
  const size = useSignal<readonly [number, number]>([0, 0])
  useLayoutEffect(() => {
    const element = ref.current
    if (!element) return
    const measure = () => {
      const next = [element.clientWidth, element.clientHeight] as const
      if (next[0] !== size.peek()[0] || next[1] !== size.peek()[1]) size.value = next
    }
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => observer.disconnect()
  }, [ref, size])
  return size
}
