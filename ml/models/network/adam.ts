/** Adam (Kingma and Ba, 2015) over one array of parameters; all that it remembers is here. */
export interface AdamState {
  readonly first: Float32Array
  readonly second: Float32Array
  /** β₁ and β₂ to the power of the steps taken. */
  decay: readonly [number, number]
}

const [BETA_1, BETA_2, EPSILON] = [0.9, 0.999, 1e-7]

export function newAdam(count: number): AdamState {
  return { first: new Float32Array(count), second: new Float32Array(count), decay: [1, 1] }
}

/**
 * Changes `parameters` by their gradients. Plain arithmetic of ours, since the library's optimizer cannot be stored
 * exactly: it computes its powers of β anew from a count of steps, which gives other bits than multiplying them up.
 */
export function stepAdam(
  state: AdamState,
  parameters: Float32Array,
  gradients: Float32Array,
  learningRate: number,
): void {
  const { first, second } = state
  const [decay1, decay2] = (state.decay = [state.decay[0] * BETA_1, state.decay[1] * BETA_2])
  const [scale1, scale2] = [1 / (1 - decay1), 1 / (1 - decay2)]
  for (let at = 0; at < parameters.length; at += 1) {
    const gradient = gradients[at] ?? 0
    const mean = BETA_1 * (first[at] ?? 0) + (1 - BETA_1) * gradient
    const square = BETA_2 * (second[at] ?? 0) + (1 - BETA_2) * gradient * gradient
    first[at] = mean
    second[at] = square
    parameters[at] =
      (parameters[at] ?? 0) - (learningRate * mean * scale1) / (Math.sqrt(square * scale2) + EPSILON)
  }
}
