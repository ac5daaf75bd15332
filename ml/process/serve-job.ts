import { FirnError } from '../../schemas/error.js'
import type { OnProgress } from '../../schemas/lake-deps.js'
import type { ChildMessage } from './run-child.js'

/** The child's side of `runChild`: does one job and ends; ends at once when the parent is gone. */
export function serveJob(work: (job: unknown, onProgress: OnProgress) => Promise<unknown>): void {
  const say = (message: ChildMessage): void => void process.send?.(message)
  process.on('disconnect', () => process.exit())
  process.once('message', (job) => {
    work(job, (message) => say({ kind: 'progress', message })).then(
      (result) => say({ kind: 'done', result }),
      (error: unknown) =>
        say({
          kind: 'failed',
          error: error instanceof FirnError ? error.kind : 'training-failed',
          message: error instanceof Error ? error.message : String(error),
        }),
    )
  })
}
