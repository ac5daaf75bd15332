import type { PenalisedLogLoss } from './log-loss.js'

/**
 * Solves second derivatives · direction = −gradient by preconditioned conjugate gradients, the more precisely the nearer
 * the optimum (Nocedal and Wright, Numerical Optimization, 7.1), so that Newton's steps converge faster than linearly.
 */
export function newtonDirection(loss: PenalisedLogLoss, gradient: Float64Array): Float64Array {
  const scale = loss.diagonal()
  const solution = new Float64Array(gradient.length)
  const residual = gradient.map((value) => -value)
  let scaled = residual.map((value, i) => value / (scale[i] ?? 1))
  let direction = scaled
  let energy = dot(residual, scaled)
  const enough = energy * Math.min(0.01, Math.sqrt(energy)) ** 2
  for (let i = 0; i < 4 * gradient.length && energy > enough; i += 1) {
    const curved = loss.curvature(direction)
    const curvature = dot(direction, curved)
    if (!(curvature > 0)) break
    const length = energy / curvature
    addTo(solution, direction, length)
    addTo(residual, curved, -length)
    scaled = residual.map((value, k) => value / (scale[k] ?? 1))
    const next = dot(residual, scaled)
    const share = next / energy
    direction = scaled.map((value, k) => value + share * (direction[k] ?? 0))
    energy = next
  }
  return solution
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i += 1) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}

function addTo(sum: Float64Array, part: Float64Array, factor: number): void {
  for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] ?? 0) + factor * (part[i] ?? 0)
}
