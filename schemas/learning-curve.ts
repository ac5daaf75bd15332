import type { LearningPoint } from './model-messages.js'

const POINTS_MAX = 200

/**
 * At most 200 points of a curve: as long as there are more, every other one goes, from the end on, so that the newest
 * stays.
 */
export function thinCurve(points: readonly LearningPoint[]): readonly LearningPoint[] {
  let kept = points
  while (kept.length > POINTS_MAX) {
    const parity = (kept.length - 1) % 2
    kept = kept.filter((_, at) => at % 2 === parity)
  }
  return kept
}

/** A curve that somebody else sends: what is no point is left out. */
export function readCurve(value: unknown): readonly LearningPoint[] {
  return Array.isArray(value) ? thinCurve(value.filter(isPoint)) : []
}

function isPoint(value: unknown): value is LearningPoint {
  if (typeof value !== 'object' || value === null) return false
  const { epoch, loss, valLoss } = value as Partial<Record<keyof LearningPoint, unknown>>
  return (
    typeof epoch === 'number' &&
    typeof loss === 'number' &&
    (valLoss === undefined || typeof valLoss === 'number')
  )
}
