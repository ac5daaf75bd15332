import type { WorkflowHandle } from '@temporalio/client'
import type { LearningPoint } from '../schemas/model-messages.js'
import { LEARNING_QUERY } from '../schemas/workflow-names.js'

/** Prints, each time it is called, what is new of a training's learning curve, one line a point on standard error. */
export function curvePrinter(): (handle: Pick<WorkflowHandle, 'query'>) => Promise<void> {
  let last = -1
  return async (handle) => {
    // Not started yet, or just ended: the next time or the result tells.
    const curve = await handle.query<readonly LearningPoint[]>(LEARNING_QUERY).catch(() => [])
    const newest = curve.at(-1)?.epoch ?? -1
    // A curve that begins anew is another training's.
    if (newest < last) last = -1
    for (const point of curve) if (point.epoch > last) printPoint(point)
    last = newest
  }
}

function printPoint({ epoch, loss, valLoss }: LearningPoint): void {
  const validation = valLoss === undefined ? '' : `  on val ${valLoss.toPrecision(5)}`
  const start = process.stderr.isTTY ? '\r\x1b[2K' : ''
  process.stderr.write(
    `${start}  epoch ${String(epoch).padStart(5)}  loss ${loss.toPrecision(5)}${validation}\n`,
  )
}
