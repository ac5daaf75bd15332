import { FirnError } from '../../schemas/error.js'
import type { OnProgress } from '../../schemas/lake-deps.js'
import type { TrainingProgress } from '../../schemas/model-messages.js'
import type { Checkpoints } from '../models/estimator.js'
import type { ChildMessage, ParentMessage } from './child-messages.js'
import { requestCheckpoints } from './request-checkpoints.js'

/** What a job has of its parent. */
export interface ChildRun {
  readonly onProgress: OnProgress
  /** May be called after each epoch, however fast they are. */
  readonly onTraining: (progress: TrainingProgress) => void
  /** Absent where the parent keeps none. */
  readonly checkpoints?: Checkpoints
}

/** The child's side of `runChild`: does one job and ends; ends at once when the parent is gone. */
export function serveJob(work: (job: unknown, run: ChildRun) => Promise<unknown>): void {
  const say = (message: ChildMessage): void => void process.send?.(message)
  const onProgress = (message: string): void => say({ kind: 'progress', message })
  const training = sparsely((progress) =>
    say({ kind: 'progress', message: wordsOf(progress), training: progress }),
  )
  process.on('disconnect', () => process.exit())
  process.once('message', (message) => {
    const { job, checkpointEveryMs } = message as Extract<ParentMessage, { readonly kind: 'job' }>
    const checkpoints =
      checkpointEveryMs === undefined
        ? undefined
        : requestCheckpoints({ say, onProgress, everyMs: checkpointEveryMs })
    const run = { onProgress, onTraining: training.tell, ...(checkpoints !== undefined && { checkpoints }) }
    work(job, run)
      .finally(training.flush)
      .then(
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

const TELL_EVERY_MS = 100

/** Passes on what it is told now and then: small networks do a thousand epochs a second. The last of a phase always. */
function sparsely(pass: (progress: TrainingProgress) => void) {
  let held: TrainingProgress | undefined
  let passedMs = -Infinity
  const flush = (): void => {
    if (held !== undefined) pass(held)
    held = undefined
  }
  return {
    tell: (progress: TrainingProgress): void => {
      if (held?.phase !== progress.phase) flush()
      held = progress
      if (performance.now() - passedMs < TELL_EVERY_MS) return
      flush()
      passedMs = performance.now()
    },
    flush,
  }
}

function wordsOf({ phase, epoch, epochs, loss, valLoss }: TrainingProgress): string {
  const validation = valLoss === undefined ? '' : `, ${valLoss.toPrecision(4)} on validation rows`
  return `${phase}: epoch ${epoch}/${epochs}, loss ${loss.toPrecision(4)}${validation}`
}
