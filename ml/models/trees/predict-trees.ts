import type { Inputs } from '../estimator.js'
import { leafOf, type Tree } from './tree.js'

/** Trees and how their leaves become a prediction. */
export interface TreeModel {
  readonly columns: readonly string[]
  /** Raw numbers of a row: 1, or one a class. */
  readonly outputs: number
  /** Numbers a leaf holds: `outputs`, or 1, which tree t then adds to output t mod `outputs`. */
  readonly leafValues: number
  /** [outputs] */
  readonly base: readonly number[]
  readonly aggregate: 'sum' | 'mean'
  /** From raw numbers to the prediction: as they are, 1 / (1 + e^−raw), or shares of e^raw. */
  readonly link: 'identity' | 'logistic' | 'softmax'
  readonly trees: readonly Tree[]
}

export function predictTrees(model: TreeModel, inputs: Inputs): Float64Array {
  const { outputs, base, trees } = model
  const raw = new Float64Array(inputs.rows * outputs)
  trees.forEach((tree, index) => {
    addTree(raw, { tree, index, leafValues: model.leafValues, outputs }, inputs)
  })
  const scale = model.aggregate === 'mean' && trees.length > 0 ? trees.length : 1
  for (let at = 0; at < raw.length; at += 1) raw[at] = (base[at % outputs] ?? 0) + (raw[at] ?? 0) / scale
  applyLink(raw, model)
  return raw
}

/** Adds one tree's leaves to the raw numbers of each row. */
export function addTree(
  raw: Float64Array,
  of: { readonly tree: Tree; readonly index: number; readonly leafValues: number; readonly outputs: number },
  { rows, columns, x }: Inputs,
): void {
  const { tree, leafValues, outputs } = of
  const first = leafValues === 1 ? of.index % outputs : 0
  for (let row = 0; row < rows; row += 1) {
    const leaf = leafOf(tree, x, row * columns.length)
    for (let i = 0; i < leafValues; i += 1) {
      const at = row * outputs + first + i
      raw[at] = (raw[at] ?? 0) + (tree.value[leaf * leafValues + i] ?? 0)
    }
  }
}

function applyLink(raw: Float64Array, { link, outputs }: TreeModel): void {
  if (link === 'logistic') for (let at = 0; at < raw.length; at += 1) raw[at] = logistic(raw[at] ?? 0)
  if (link === 'softmax') for (let at = 0; at < raw.length; at += outputs) softmax(raw, at, outputs)
}

export function logistic(raw: number): number {
  return 1 / (1 + Math.exp(-raw))
}

/** Turns `count` raw numbers from `at` on into shares of e^raw. */
export function softmax(raw: Float64Array, at: number, count: number): void {
  let [largest, sum] = [-Infinity, 0]
  for (let i = at; i < at + count; i += 1) largest = Math.max(largest, raw[i] ?? 0)
  for (let i = at; i < at + count; i += 1) {
    const power = Math.exp((raw[i] ?? 0) - largest)
    raw[i] = power
    sum += power
  }
  for (let i = at; i < at + count; i += 1) raw[i] = (raw[i] ?? 0) / sum
}
