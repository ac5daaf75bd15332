import { z } from 'zod'
import { FirnError } from '../../../schemas/error.js'
import type { EstimatorDefinition, ModelTask } from '../../../schemas/model-definitions.js'
import type { LearningPoint } from '../../../schemas/model-messages.js'
import type { StoredEstimator } from '../estimator.js'
import type { TreeModel } from './predict-trees.js'
import type { Tree } from './tree.js'

const FORMAT = 'firn-trees-1'

/** See docs/model-format.md: trainers of other languages write it too. */
const headerSchema = z.object({
  format: z.literal(FORMAT),
  task: z.enum(['binary-classification', 'multiclass-classification', 'regression']),
  columns: z.array(z.string()),
  outputs: z.number().int().positive(),
  leafValues: z.number().int().positive(),
  base: z.array(z.number()),
  aggregate: z.enum(['sum', 'mean']),
  link: z.enum(['identity', 'logistic', 'softmax']),
  /** Nodes of each tree. */
  nodes: z.array(z.number().int().positive()),
  curve: z
    .array(z.object({ epoch: z.number(), loss: z.number(), valLoss: z.number().optional() }))
    .default([]),
})

export interface StoredTrees {
  readonly task: ModelTask
  readonly model: TreeModel
  readonly curve: readonly LearningPoint[]
}

export function storeTrees(
  kind: EstimatorDefinition['kind'],
  { task, model, curve }: StoredTrees,
): StoredEstimator {
  const { trees, columns, outputs, leafValues, base, aggregate, link } = model
  const nodes = trees.map(({ feature }) => feature.length)
  const header = { format: FORMAT, task, columns, outputs, leafValues, base, aggregate, link, nodes, curve }
  const weights = new Uint8Array(sizeOf(nodes, leafValues))
  const view = new DataView(weights.buffer)
  let at = 0
  for (const part of PARTS) {
    for (const tree of trees) at = part.write(view, at, tree)
  }
  return { kind, header, weights }
}

/** Fails with `invalid-input` where header and arrays do not make trees: nothing a trainer writes may hang a scoring. */
export function restoreTrees({ header, weights }: StoredEstimator): StoredTrees {
  const parsed = headerSchema.safeParse(header)
  if (!parsed.success) throw invalid(`their header is not that of ${FORMAT}: ${parsed.error.message}`)
  const { task, nodes, curve, ...shape } = parsed.data
  const size = sizeOf(nodes, shape.leafValues)
  if (weights.length !== size) {
    throw invalid(
      `the header tells of ${nodes.length} trees, ${size} bytes, and there are ${weights.length} bytes`,
    )
  }
  if (shape.base.length !== shape.outputs || (shape.leafValues !== 1 && shape.leafValues !== shape.outputs)) {
    throw invalid(
      `${shape.outputs} outputs do not go with ${shape.base.length} base values and ${shape.leafValues} values a leaf`,
    )
  }
  const trees = nodes.map((count) => emptyTree(count, shape.leafValues))
  const view = new DataView(weights.buffer, weights.byteOffset, weights.byteLength)
  let at = 0
  for (const part of PARTS) {
    for (const tree of trees) at = part.read(view, at, tree)
  }
  trees.forEach((tree, index) => {
    checkTree(tree, index, shape.columns.length)
  })
  return { task, model: { ...shape, trees }, curve: curve.map(withoutUndefined) }
}

/** What lies one after another in the bytes, little-endian, each for all trees. */
const PARTS = [
  floats('threshold'),
  floats('value'),
  floats('gain'),
  integers('feature'),
  integers('left'),
  integers('right'),
  {
    write: (view: DataView, from: number, { defaultLeft }: Tree) => {
      defaultLeft.forEach((flag, i) => {
        view.setUint8(from + i, flag)
      })
      return from + defaultLeft.length
    },
    read: (view: DataView, from: number, { defaultLeft }: Tree) => {
      for (let i = 0; i < defaultLeft.length; i += 1) defaultLeft[i] = view.getUint8(from + i)
      return from + defaultLeft.length
    },
  },
] as const

function floats(name: 'threshold' | 'value' | 'gain') {
  return {
    write: (view: DataView, from: number, tree: Tree) => {
      tree[name].forEach((number, i) => {
        view.setFloat64(from + 8 * i, number, true)
      })
      return from + 8 * tree[name].length
    },
    read: (view: DataView, from: number, tree: Tree) => {
      for (let i = 0; i < tree[name].length; i += 1) tree[name][i] = view.getFloat64(from + 8 * i, true)
      return from + 8 * tree[name].length
    },
  }
}

function integers(name: 'feature' | 'left' | 'right') {
  return {
    write: (view: DataView, from: number, tree: Tree) => {
      tree[name].forEach((number, i) => {
        view.setInt32(from + 4 * i, number, true)
      })
      return from + 4 * tree[name].length
    },
    read: (view: DataView, from: number, tree: Tree) => {
      for (let i = 0; i < tree[name].length; i += 1) tree[name][i] = view.getInt32(from + 4 * i, true)
      return from + 4 * tree[name].length
    },
  }
}

function emptyTree(nodes: number, leafValues: number): Tree {
  return {
    feature: new Int32Array(nodes),
    threshold: new Float64Array(nodes),
    left: new Int32Array(nodes),
    right: new Int32Array(nodes),
    defaultLeft: new Uint8Array(nodes),
    value: new Float64Array(nodes * leafValues),
    gain: new Float64Array(nodes),
  }
}

function sizeOf(nodes: readonly number[], leafValues: number): number {
  return nodes.reduce((sum, count) => sum + count * (8 * (2 + leafValues) + 4 * 3 + 1), 0)
}

/** Children after their parents: no way through a tree can go round in circles. */
function checkTree({ feature, left, right }: Tree, index: number, columns: number): void {
  feature.forEach((column, node) => {
    if (column < 0) return
    const children = [left[node] ?? 0, right[node] ?? 0]
    if (column >= columns || children.some((child) => child <= node || child >= feature.length)) {
      throw invalid(
        `node ${node} of tree ${index} splits column ${column} of ${columns} into nodes ${children.join(' and ')} of ${feature.length}`,
      )
    }
  })
}

function withoutUndefined({
  epoch,
  loss,
  valLoss,
}: {
  epoch: number
  loss: number
  valLoss?: number | undefined
}): LearningPoint {
  return { epoch, loss, ...(valLoss !== undefined && { valLoss }) }
}

function invalid(what: string): FirnError {
  return new FirnError(
    'invalid-input',
    `the stored trees cannot be read: ${what}. Write them as docs/model-format.md says, or train again.`,
  )
}
