import { Context } from '@temporalio/activity'
import type { LearningPoint, TrainingProgress } from '../schemas/model-messages.js'
import { LEARNING_SIGNAL } from '../schemas/workflow-names.js'

/** Signals are events of a workflow's history: the pauses between them grow, so that a training costs a few dozen. */
const FIRST_PAUSE_MS = 2000
const PAUSE_GROWTH = 1.4
const POINTS_MAX = 200

/** Tells workflows the learning curve of the model itself as it grows. One that is gone or busy is not waited for. */
export function tellLearning(workflowIds: readonly string[]): (progress: TrainingProgress) => void {
  const { client } = Context.current()
  let points: LearningPoint[] = []
  let nextMs = performance.now() + FIRST_PAUSE_MS
  let pauseMs = FIRST_PAUSE_MS
  return ({ phase, epoch, loss, valLoss }) => {
    if (phase !== 'model') return
    points.push({ epoch, loss, ...(valLoss === undefined ? {} : { valLoss }) })
    if (points.length > POINTS_MAX) points = points.filter((_, at) => at % 2 === 1)
    if (performance.now() < nextMs) return
    pauseMs *= PAUSE_GROWTH
    nextMs = performance.now() + pauseMs
    for (const workflowId of workflowIds) {
      void client.workflow
        .getHandle(workflowId)
        .signal(LEARNING_SIGNAL, [...points])
        .catch(() => undefined)
    }
  }
}
