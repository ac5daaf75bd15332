import { parentPort, workerData } from 'node:worker_threads'
import { FirnError } from '../../schemas/error.js'
import { endWhenTold } from './end-thread.js'
import type { PackedObject, PackTask } from './pack-files.js'
import { packFiles } from './pack-files.js'

/** What the thread says: an object (it waits for an answer before it goes on), or how it ended. */
export type ThreadMessage =
  | { readonly kind: 'object'; readonly object: PackedObject }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly errorKind: FirnError['kind']; readonly message: string }

/** Entry of the thread that reads, checks and packs documents, so that the worker's main thread stays free. */
async function main(port: NonNullable<typeof parentPort>): Promise<void> {
  endWhenTold(port)
  const say = (message: ThreadMessage): void => port.postMessage(message)
  try {
    for await (const object of packFiles(workerData as PackTask)) {
      const taken = new Promise((resolve) => port.once('message', resolve))
      say({ kind: 'object', object })
      await taken
    }
    say({ kind: 'done' })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    say({ kind: 'failed', errorKind: error instanceof FirnError ? error.kind : 'io', message })
  }
  port.close()
}

if (parentPort !== null) await main(parentPort)
