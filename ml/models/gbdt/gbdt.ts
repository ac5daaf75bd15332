import { setImmediate } from 'node:timers/promises'
import type { BoostedTreesDefinition } from '../../../schemas/model-definitions.js'
import type { LearningPoint } from '../../../schemas/model-messages.js'
import { checkParameters, checkTraining } from '../check-training.js'
import type { Estimator, FitOptions, FittedEstimator } from '../estimator.js'
import { binColumns, type BinnedColumns } from '../trees/bin-columns.js'
import { roundForSums } from '../trees/exact-sums.js'
import { fittedTrees, ownBackend, restoreFittedTrees } from '../trees/fitted-trees.js'
import { growTree, type GrownTree } from '../trees/grow-tree.js'
import { addTree, type TreeModel } from '../trees/predict-trees.js'
import { leafOf, type Tree } from '../trees/tree.js'
import { createTreeCheckpoints } from '../trees/tree-checkpoints.js'
import { drawOrder, treeRandom } from '../trees/tree-random.js'
import { objectiveOf, type Objective } from './objective.js'

/**
 * Histogram gradient-boosted trees with XGBoost's meaning of every parameter. An epoch is one tree (one a class where
 * there are several). Early stopping looks at `validation` and is off without one; trees after the best epoch are dropped.
 */
export const gbdt: Estimator<BoostedTreesDefinition> = {
  fit: fitBoostedTrees,
  restore: restoreFittedTrees,
  backend: ownBackend,
}

async function fitBoostedTrees(options: FitOptions<BoostedTreesDefinition>): Promise<FittedEstimator> {
  const { definition, task, onEpoch } = options
  checkParameters(definition, BOUNDS)
  checkTraining(definition.kind, options.train, 'allowed')
  const boosting = new Boosting(options)
  const checkpoints = createTreeCheckpoints(options)
  const saved = await checkpoints.load()
  if (saved !== undefined) boosting.goOnFrom(saved.model.trees, saved.curve)
  while (boosting.goesOn()) {
    const point = boosting.boost()
    onEpoch(point, definition.trees)
    await checkpoints.save({ task, model: boosting.model(boosting.rounds), curve: boosting.curve })
    await setImmediate()
  }
  const rounds = boosting.bestRound + 1
  return fittedTrees(definition.kind, { task, model: boosting.model(rounds), curve: boosting.curve })
}

const BOUNDS = {
  trees: { least: 1, whole: true },
  maxDepth: { least: 1, most: 30, whole: true },
  learningRate: { above: 0 },
  subsample: { above: 0, most: 1 },
  columnSample: { above: 0, most: 1 },
  l1: { least: 0 },
  l2: { least: 0 },
  minSplitGain: { least: 0 },
  minChildWeight: { least: 0 },
  bins: { least: 2, most: 65535, whole: true },
}

/** A fit in the making; what it holds follows from its options and the trees so far. */
class Boosting {
  readonly #objective: Objective
  readonly #binned: BinnedColumns
  readonly #base: readonly number[]
  readonly #margins: Float64Array
  readonly #validationMargins: Float64Array
  readonly #trees: Tree[] = []
  readonly #curve: LearningPoint[] = []
  /** [outputs] of [rows, 2]. */
  readonly #sums: readonly Float64Array[]
  #best = { round: -1, loss: Infinity }

  constructor(readonly options: FitOptions<BoostedTreesDefinition>) {
    const { train, validation, definition } = options
    this.#objective = objectiveOf(options.task, options.classes)
    this.#binned = binColumns(train, definition.bins ?? 256)
    this.#base = this.#objective.base(train)
    this.#margins = this.#startOf(train.rows)
    this.#validationMargins = this.#startOf(validation?.rows ?? 0)
    this.#sums = this.#base.map(() => new Float64Array(2 * train.rows))
  }

  get rounds(): number {
    return this.#curve.length
  }

  get curve(): readonly LearningPoint[] {
    return this.#curve
  }

  /** With early stopping the one of the least loss on validation, else the last. */
  get bestRound(): number {
    return this.#stopsEarly() ? this.#best.round : this.rounds - 1
  }

  goesOn(): boolean {
    const patience = this.options.definition.earlyStopping?.patience ?? Infinity
    if (this.rounds >= this.options.definition.trees) return false
    return !this.#stopsEarly() || this.rounds === 0 || this.rounds - 1 - this.#best.round < patience
  }

  model(rounds: number): TreeModel {
    const { outputs, link } = this.#objective
    return {
      columns: this.options.train.columns,
      outputs,
      leafValues: 1,
      base: this.#base,
      aggregate: 'sum',
      link,
      trees: this.#trees.slice(0, rounds * outputs),
    }
  }

  /** Margins are added up again, in the same order and so to the same bits. */
  goOnFrom(trees: readonly Tree[], curve: readonly LearningPoint[]): void {
    const { train } = this.options
    trees.forEach((tree, index) => {
      addTree(this.#margins, { tree, index, leafValues: 1, outputs: this.#objective.outputs }, train)
      this.#keep(tree)
    })
    curve.forEach((point) => {
      this.#note(point)
    })
  }

  boost(): LearningPoint {
    const { train, validation } = this.options
    this.#objective.derive(train, this.#margins, this.#sums)
    this.#sums
      .map((values, output) => this.#grow(values, this.#trees.length + output))
      .forEach((grown, output) => {
        this.#addLeaves(grown, output)
        this.#keep(grown.tree)
      })
    const point = {
      epoch: this.rounds + 1,
      loss: this.#objective.loss(train, this.#margins),
      ...(validation !== undefined && { valLoss: this.#objective.loss(validation, this.#validationMargins) }),
    }
    this.#note(point)
    return point
  }

  #grow(values: Float64Array, index: number): GrownTree & { readonly outside: Int32Array } {
    const { definition, seed, train } = this.options
    const {
      subsample = 1,
      columnSample = 1,
      l1 = 0,
      l2 = 1,
      minSplitGain = 0,
      minChildWeight = 1,
    } = definition
    const random = treeRandom(seed, index)
    const { inside, outside } = drawRows(train.rows, subsample, random)
    const count = Math.max(1, Math.floor(columnSample * train.columns.length))
    roundForSums(values, 0, 2)
    roundForSums(values, 1, 2)
    const grown = growTree({
      binned: this.#binned,
      sums: { channels: 2, values },
      rows: inside,
      rules: { numerators: 1, l1, l2, minSplitGain, minChildSize: minChildWeight },
      maxDepth: definition.maxDepth,
      leafScale: definition.learningRate,
      columns: { of: 'tree', columns: drawOrder(train.columns.length, random).subarray(0, count).sort() },
    })
    return { ...grown, outside }
  }

  #addLeaves({ tree, leaves, outside }: GrownTree & { readonly outside: Int32Array }, output: number): void {
    const { outputs } = this.#objective
    const { x, columns } = this.options.train
    const add = (row: number, leaf: number) => {
      const at = row * outputs + output
      this.#margins[at] = (this.#margins[at] ?? 0) + (tree.value[leaf] ?? 0)
    }
    for (const { node, rows } of leaves) for (const row of rows) add(row, node)
    for (const row of outside) add(row, leafOf(tree, x, row * columns.length))
  }

  #keep(tree: Tree): void {
    const { validation } = this.options
    const index = this.#trees.push(tree) - 1
    if (validation === undefined) return
    const of = { tree, index, leafValues: 1, outputs: this.#objective.outputs }
    addTree(this.#validationMargins, of, validation)
  }

  #note(point: LearningPoint): void {
    const round = this.#curve.push(point) - 1
    const { valLoss = Infinity } = point
    const { minDelta = 0 } = this.options.definition.earlyStopping ?? {}
    if (round === 0 || valLoss < this.#best.loss - minDelta) this.#best = { round, loss: valLoss }
  }

  #stopsEarly(): boolean {
    return this.options.definition.earlyStopping !== undefined && this.options.validation !== undefined
  }

  #startOf(rows: number): Float64Array {
    const outputs = this.#base.length
    return Float64Array.from({ length: rows * outputs }, (_, at) => this.#base[at % outputs] ?? 0)
  }
}

/** Each row by a throw of its own; all of them where none was drawn. */
function drawRows(
  rows: number,
  share: number,
  random: () => number,
): { readonly inside: Int32Array; readonly outside: Int32Array } {
  const [inside, outside] = [new Int32Array(rows), new Int32Array(rows)]
  let [in_, out] = [0, 0]
  for (let row = 0; row < rows; row += 1) {
    if (share >= 1 || random() < share) inside[in_++] = row
    else outside[out++] = row
  }
  if (in_ === 0) return { inside: Int32Array.from(outside), outside: new Int32Array() }
  return { inside: inside.subarray(0, in_), outside: outside.subarray(0, out) }
}
