import { FirnError } from '../schemas/error.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs `work` so that it can stop what it started: the first Ctrl-C (or SIGTERM, or a closed terminal) aborts its signal,
 * the second ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(1)
    controller.abort()
  }
  for (const name of SIGNALS) process.on(name, stop)
  // Signal handlers alone do not keep a process alive.
  const keepAlive = setInterval(() => undefined, 1 << 30)
  try {
    return await work(controller.signal)
  } finally {
    clearInterval(keepAlive)
    for (const name of SIGNALS) process.off(name, stop)
  }
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

export function refuseAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new FirnError('cancelled', 'stopped before anything ran.')
}
