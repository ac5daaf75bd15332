import { Context } from '@temporalio/activity'
import type { LearningPoint, TrainingProgress } from '../schemas/model-messages.js'
import { LEARNING_SIGNAL } from '../schemas/workflow-names.js'

/** Signals are events of a workflow's history: the pauses between them grow, so that twelve hours cost about thirty. */
const FIRST_PAUSE_MS = 2000
const PAUSE_GROWTH = 1.4
const POINTS_MAX = 199

/** Tells workflows the learning curve of the model itself as it grows. One that is gone is not waited for. */
export function tellLearning(workflowIds: readonly string[]): (progress: TrainingProgress) => void {
  const { workflow } = Context.current().client
  const signal = (curve: readonly LearningPoint[]) => (workflowId: string) =>
    workflow
      .getHandle(workflowId)
      .signal(LEARNING_SIGNAL, curve)
      .catch(() => undefined)
  return growingCurve({
    now: () => performance.now(),
    send: (curve) => Promise.all(workflowIds.map(signal(curve))),
  })
}

/**
 * Collects a curve and sends all of it, at growing intervals and never two at once, so that the newest arrives last. At
 * most 200 points: of a longer curve every 2nd, 4th, … epoch, and the newest.
 */
export function growingCurve(to: {
  readonly now: () => number
  /** Never rejects. */
  readonly send: (curve: readonly LearningPoint[]) => Promise<unknown>
}): (progress: TrainingProgress) => void {
  let points: readonly LearningPoint[] = []
  let [seen, stride] = [0, 1]
  let pauseMs = FIRST_PAUSE_MS
  let nextMs = to.now() + pauseMs
  let sending = false
  return ({ phase, epoch, loss, valLoss }) => {
    if (phase !== 'model') return
    const newest = { epoch, loss, ...(valLoss === undefined ? {} : { valLoss }) }
    const kept = seen % stride === 0
    seen += 1
    if (kept) points = [...points, newest]
    if (points.length > POINTS_MAX) {
      points = points.filter((_, at) => at % 2 === 0)
      stride *= 2
    }
    if (sending || to.now() < nextMs) return
    pauseMs *= PAUSE_GROWTH
    nextMs = to.now() + pauseMs
    sending = true
    const curve = points.at(-1) === newest ? points : [...points, newest]
    void to.send(curve).finally(() => (sending = false))
  }
}
