import type { MessagePort, Worker } from 'node:worker_threads'

const END = 'end'
/** After so long a thread is taken for hung. */
const GRACE_MS = 10_000

/**
 * Ends a thread between two of its tasks. `terminate` would end it anywhere, and Node aborts the whole process where that is
 * between the making of a zlib stream and its first use ("close before init").
 */
export async function endThread(thread: Worker): Promise<void> {
  if (thread.threadId === -1) return
  const ended = new Promise((resolve) => thread.once('exit', resolve))
  thread.ref()
  thread.postMessage(END)
  const hung = setTimeout(() => void thread.terminate(), GRACE_MS)
  await ended
  clearTimeout(hung)
}

/** The thread's part: to be called before it listens to anything else. */
export function endWhenTold(port: MessagePort): void {
  port.on('message', (message: unknown) => {
    if (message === END) process.exit()
  })
}
