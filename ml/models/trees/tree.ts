/**
 * One decision tree as flat arrays; node 0 is the root and children come after their parent. A row goes left where its
 * value is below the threshold; thresholds are values, so scoring needs no bins.
 */
export interface Tree {
  /** [nodes]: column, −1: leaf. */
  readonly feature: Int32Array
  /** [nodes]: +∞ where only missing values go right. */
  readonly threshold: Float64Array
  readonly left: Int32Array
  readonly right: Int32Array
  /** [nodes]: 1 where missing values (NaN) go left. */
  readonly defaultLeft: Uint8Array
  /** Row-major [nodes, leaf values]; 0 where the node is no leaf. */
  readonly value: Float64Array
  /** [nodes]: what the split gained; 0 in leaves. */
  readonly gain: Float64Array
}

/** Leaf that a row of a row-major matrix ends in; `from`: where its values begin. */
export function leafOf(tree: Tree, x: Float64Array, from: number): number {
  const { feature, threshold, left, right, defaultLeft } = tree
  let node = 0
  for (;;) {
    const column = feature[node] ?? -1
    if (column < 0) return node
    const value = x[from + column] ?? NaN
    const goesLeft = value === value ? value < (threshold[node] ?? 0) : defaultLeft[node] === 1
    node = (goesLeft ? left[node] : right[node]) ?? 0
  }
}

/** Column → share of the gain of all splits; 0 everywhere where nothing was split. */
export function gainShares(
  trees: readonly Tree[],
  columns: readonly string[],
): Readonly<Record<string, number>> {
  const gains = new Float64Array(columns.length)
  for (const { feature, gain } of trees) {
    feature.forEach((column, node) => {
      if (column >= 0) gains[column] = (gains[column] ?? 0) + (gain[node] ?? 0)
    })
  }
  const total = gains.reduce((sum, gain) => sum + gain, 0)
  return Object.fromEntries(columns.map((name, i) => [name, total > 0 ? (gains[i] ?? 0) / total : 0]))
}
