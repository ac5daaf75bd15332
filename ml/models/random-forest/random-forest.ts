import { setImmediate } from 'node:timers/promises'
import type { RandomForestDefinition } from '../../../schemas/model-definitions.js'
import type { LearningPoint } from '../../../schemas/model-messages.js'
import { checkParameters, checkTraining } from '../check-training.js'
import type { Estimator, FitOptions, FittedEstimator, TrainingInputs } from '../estimator.js'
import { binColumns, type BinnedColumns } from '../trees/bin-columns.js'
import { meanLabel, roundForSums } from '../trees/exact-sums.js'
import { fittedTrees, ownBackend, restoreFittedTrees } from '../trees/fitted-trees.js'
import { growTree } from '../trees/grow-tree.js'
import type { RowSums } from '../trees/histogram.js'
import type { TreeModel } from '../trees/predict-trees.js'
import { leafOf, type Tree } from '../trees/tree.js'
import { createTreeCheckpoints } from '../trees/tree-checkpoints.js'
import { treeRandom } from '../trees/tree-random.js'

const BINS = 256

/**
 * Random forest: each tree on a bootstrap of the rows, split by Gini impurity or variance over columns drawn for each
 * node; predictions are the mean of the leaves' class shares or values. An epoch is one tree. Loss: mean squared error of
 * shares (Brier) or values, of each training row by the trees that have not seen it.
 */
export const randomForest: Estimator<RandomForestDefinition> = {
  fit: fitForest,
  restore: restoreFittedTrees,
  backend: ownBackend,
}

async function fitForest(options: FitOptions<RandomForestDefinition>): Promise<FittedEstimator> {
  const { definition, task, onEpoch } = options
  checkParameters(definition, {
    trees: { least: 1, whole: true },
    maxDepth: { least: 1, whole: true },
    minSamplesLeaf: { least: 1, whole: true },
    columnSample: { above: 0, most: 1 },
  })
  checkTraining(definition.kind, options.train, 'allowed')
  const forest = new Forest(options)
  const checkpoints = createTreeCheckpoints(options)
  const saved = await checkpoints.load()
  saved?.model.trees.forEach((tree) => forest.keep(tree))
  while (forest.curve.length < definition.trees) {
    onEpoch(forest.keep(forest.grow()), definition.trees)
    await checkpoints.save({ task, model: forest.model(), curve: forest.curve })
    await setImmediate()
  }
  return fittedTrees(definition.kind, { task, model: forest.model(), curve: forest.curve })
}

/** A fit in the making; what it holds follows from its options and the trees so far. */
class Forest {
  readonly curve: LearningPoint[] = []
  readonly #trees: Tree[] = []
  readonly #outputs: number
  readonly #base: readonly number[]
  readonly #binned: BinnedColumns
  readonly #held: HeldOut
  readonly #validation: HeldOut | undefined

  constructor(readonly options: FitOptions<RandomForestDefinition>) {
    const { task, classes, train, validation } = options
    this.#outputs = task === 'multiclass-classification' ? classes : 1
    // Leaves hold what is left of values after their mean, so that a large mean takes no digits from the splits.
    this.#base = task === 'regression' ? [meanLabel(train)] : Array<number>(this.#outputs).fill(0)
    this.#binned = binColumns(train, BINS)
    this.#held = new HeldOut(train, this.#base)
    this.#validation = validation && new HeldOut(validation, this.#base)
  }

  model(): TreeModel {
    return {
      columns: this.options.train.columns,
      outputs: this.#outputs,
      leafValues: this.#outputs,
      base: this.#base,
      aggregate: 'mean',
      link: 'identity',
      trees: [...this.#trees],
    }
  }

  grow(): Tree {
    const { train, definition, seed, task } = this.options
    const random = treeRandom(seed, this.#trees.length)
    const drawn = drawBootstrap(train.rows, random)
    const sums = this.#sumsOf(drawn)
    const rows = Int32Array.from({ length: train.rows }, (_, row) => row)
    const columns = train.columns.length
    const usual = task === 'regression' ? columns / 3 : Math.sqrt(columns)
    const count = definition.columnSample === undefined ? usual : definition.columnSample * columns
    const { tree } = growTree({
      binned: this.#binned,
      sums,
      rows: rows.filter((row) => (drawn[row] ?? 0) > 0 && train.weights?.[row] !== 0),
      rules: {
        numerators: this.#outputs,
        l1: 0,
        l2: 0,
        minSplitGain: 0,
        minChildSize: definition.minSamplesLeaf ?? 1,
      },
      maxDepth: definition.maxDepth ?? Infinity,
      leafScale: 1,
      columns: { of: 'node', count: Math.max(1, Math.floor(count)), random, labels: train.y },
    })
    return tree
  }

  /** Adds a tree, and the point of the curve that follows from it. */
  keep(tree: Tree): LearningPoint {
    const { train, seed, validation } = this.options
    const index = this.#trees.push(tree) - 1
    const drawn = drawBootstrap(train.rows, treeRandom(seed, index))
    this.#held.add(tree, (row) => drawn[row] === 0)
    this.#validation?.add(tree, () => true)
    const point = {
      epoch: index + 1,
      loss: this.#held.loss(),
      ...(validation !== undefined && { valLoss: this.#validation?.loss() ?? 0 }),
    }
    this.curve.push(point)
    return point
  }

  /** Label by output, weight, and one: each times how often the row was drawn, but for the last. */
  #sumsOf(drawn: Int32Array): RowSums {
    const { rows, y, weights } = this.options.train
    const channels = this.#outputs + 2
    const values = new Float64Array(rows * channels)
    for (let row = 0; row < rows; row += 1) {
      const weight = (drawn[row] ?? 0) * (weights === undefined ? 1 : (weights[row] ?? 0))
      for (let output = 0; output < this.#outputs; output += 1) {
        values[row * channels + output] = weight * targetOf(y[row] ?? 0, output, this.#base)
      }
      values[row * channels + this.#outputs] = weight
      values[row * channels + this.#outputs + 1] = weight > 0 ? 1 : 0
    }
    for (let channel = 0; channel < channels; channel += 1) roundForSums(values, channel, channels)
    return { channels, values }
  }
}

/** Mean leaf of the trees that a row was held out of. */
class HeldOut {
  readonly #sums: Float64Array
  readonly #trees: Int32Array

  constructor(
    readonly data: TrainingInputs,
    readonly base: readonly number[],
  ) {
    this.#sums = new Float64Array(data.rows * base.length)
    this.#trees = new Int32Array(data.rows)
  }

  add(tree: Tree, sees: (row: number) => boolean): void {
    const { rows, x, columns } = this.data
    const outputs = this.base.length
    for (let row = 0; row < rows; row += 1) {
      if (!sees(row)) continue
      const leaf = leafOf(tree, x, row * columns.length)
      this.#trees[row] = (this.#trees[row] ?? 0) + 1
      for (let i = 0; i < outputs; i += 1) {
        const at = row * outputs + i
        this.#sums[at] = (this.#sums[at] ?? 0) + (tree.value[leaf * outputs + i] ?? 0)
      }
    }
  }

  /** A row that every tree has seen counts with nothing learnt. */
  loss(): number {
    const { rows, y, weights } = this.data
    const outputs = this.base.length
    let [sum, total] = [0, 0]
    for (let row = 0; row < rows; row += 1) {
      const weight = weights === undefined ? 1 : (weights[row] ?? 0)
      total += weight
      const trees = Math.max(1, this.#trees[row] ?? 0)
      for (let i = 0; i < outputs; i += 1) {
        const predicted = (this.#sums[row * outputs + i] ?? 0) / trees
        sum += weight * (predicted - targetOf(y[row] ?? 0, i, this.base)) ** 2
      }
    }
    return sum / total
  }
}

/** One number for values and for two classes, else 1 for the row's own class. */
function targetOf(label: number, output: number, base: readonly number[]): number {
  return base.length === 1 ? label - (base[0] ?? 0) : label === output ? 1 : 0
}

/** How often each row was drawn. */
function drawBootstrap(rows: number, random: () => number): Int32Array {
  const drawn = new Int32Array(rows)
  for (let i = 0; i < rows; i += 1) {
    const row = Math.floor(random() * rows)
    drawn[row] = (drawn[row] ?? 0) + 1
  }
  return drawn
}
