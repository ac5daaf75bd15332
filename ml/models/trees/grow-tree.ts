import { missingCode, type BinnedColumns } from './bin-columns.js'
import { findSplit, shrink, type Split, type SplitRules } from './find-split.js'
import { countHistogram, subtractHistogram, type RowSums } from './histogram.js'
import type { Tree } from './tree.js'
import { drawOrder } from './tree-random.js'

/** Positive, and above all codes. */
const NO_CODE = 0x7fffffff

export interface GrowOptions {
  readonly binned: BinnedColumns
  readonly sums: RowSums
  /** Rows that the tree sees, ascending. Afterwards each leaf's rows stand together, ascending. */
  readonly rows: Int32Array
  readonly rules: SplitRules
  /** Infinity: until nothing can be split. */
  readonly maxDepth: number
  /** Leaves are scaled by it: the learning rate. */
  readonly leafScale: number
  readonly columns: { readonly of: 'tree'; readonly columns: Int32Array } | ColumnsOfNode
}

/** A forest's way: so many columns drawn for each node, and more where these cannot split it. */
export interface ColumnsOfNode {
  readonly of: 'node'
  readonly count: number
  readonly random: () => number
  /** [rows]: a node of one label is a leaf. */
  readonly labels: Float64Array
}

export interface GrownTree {
  readonly tree: Tree
  readonly leaves: readonly { readonly node: number; readonly rows: Int32Array }[]
}

interface OpenNode {
  readonly node: number
  readonly depth: number
  readonly start: number
  readonly end: number
  readonly total: Float64Array
  /** Where it was left over by subtraction. */
  readonly histogram?: Float64Array
}

/** Grows one tree depth first, so that as few histograms are held as the tree is deep. */
export function growTree(options: GrowOptions): GrownTree {
  return new Grower(options).grow()
}

class Grower {
  readonly #nodes = new NodeList()
  readonly #leaves: { readonly node: number; readonly rows: Int32Array }[] = []
  readonly #free: Float64Array[] = []
  readonly #moved: Int32Array

  constructor(readonly options: GrowOptions) {
    this.#moved = new Int32Array(options.rows.length)
  }

  grow(): GrownTree {
    const { rows, sums, rules } = this.options
    const total = totalOf(sums, rows)
    const root = this.#nodes.add(leafValues(total, this.options))
    const open: OpenNode[] = [{ node: root, depth: 0, start: 0, end: rows.length, total }]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const children = this.#split(next)
      if (children === undefined) {
        this.#leaves.push({ node: next.node, rows: rows.subarray(next.start, next.end) })
      } else open.push(children.right, children.left)
    }
    return { tree: this.#nodes.finish(rules.numerators), leaves: this.#leaves }
  }

  /** Undefined: it stays a leaf. */
  #split(node: OpenNode): { readonly left: OpenNode; readonly right: OpenNode } | undefined {
    const worthLooking = node.depth < this.options.maxDepth && node.end - node.start > 1
    const found = worthLooking ? this.#find(node) : undefined
    if (found === undefined) {
      this.#giveBack(node.histogram)
      return undefined
    }
    const { split, histogram } = found
    const middle = this.#partition(node, split)
    const { left, right } = this.#nodes.split(node.node, {
      split,
      left: leafValues(split.left, this.options),
      right: leafValues(split.right, this.options),
    })
    const depth = node.depth + 1
    return this.#share(histogram, {
      left: { node: left, depth, start: node.start, end: middle, total: split.left },
      right: { node: right, depth, start: middle, end: node.end, total: split.right },
    })
  }

  /** The best split with the histogram that shows it; the histogram is free again where there is none. */
  #find(node: OpenNode): { readonly split: Split; readonly histogram: Float64Array } | undefined {
    const { binned, columns, rules } = this.options
    if (columns.of === 'node') return this.#findByDrawing(node, columns)
    const histogram = node.histogram ?? this.#count(node, columns.columns)
    const split = findSplit(histogram, { binned, total: node.total, rules, columns: columns.columns })
    return split === undefined ? undefined : { split, histogram }
  }

  #findByDrawing(
    node: OpenNode,
    { count, random, labels }: ColumnsOfNode,
  ): { readonly split: Split; readonly histogram: Float64Array } | undefined {
    const { binned, rules, rows } = this.options
    const own = rows.subarray(node.start, node.end)
    if (own.every((row) => labels[row] === labels[own[0] ?? 0])) return undefined
    const order = drawOrder(binned.columns, random)
    for (let from = 0; from < order.length; from += count) {
      const columns = order.slice(from, from + count).sort()
      const histogram = this.#count(node, columns)
      const split = findSplit(histogram, { binned, total: node.total, rules, columns })
      if (split !== undefined) return { split, histogram }
      this.#giveBack(histogram)
    }
    return undefined
  }

  /** Counts the smaller child and leaves the rest of the parent's histogram to the other one. */
  #share(
    histogram: Float64Array,
    children: { readonly left: OpenNode; readonly right: OpenNode },
  ): { readonly left: OpenNode; readonly right: OpenNode } {
    const { left, right } = children
    const { columns, maxDepth } = this.options
    if (columns.of === 'node' || left.depth >= maxDepth) {
      this.#giveBack(histogram)
      return children
    }
    const leftIsSmaller = left.end - left.start <= right.end - right.start
    const counted = this.#count(leftIsSmaller ? left : right, columns.columns)
    subtractHistogram(histogram, counted)
    return leftIsSmaller
      ? { left: { ...left, histogram: counted }, right: { ...right, histogram } }
      : { left: { ...left, histogram }, right: { ...right, histogram: counted } }
  }

  #count(node: OpenNode, columns: Int32Array): Float64Array {
    const { binned, sums, rows } = this.options
    const codes = binned.offsets[binned.columns] ?? 0
    const histogram = this.#free.pop() ?? new Float64Array(codes * sums.channels)
    if (columns.length === binned.columns) histogram.fill(0)
    else clearColumns(histogram, binned, sums.channels, columns)
    countHistogram(histogram, {
      binned,
      sums,
      rows: rows.subarray(node.start, node.end),
      ...(columns.length < binned.columns && { columns }),
    })
    return histogram
  }

  /** Rows that go left first, both sides still ascending; returns where the right ones begin. */
  #partition({ start, end }: OpenNode, { column, code, defaultLeft }: Split): number {
    const { binned, rows } = this.options
    const moved = this.#moved
    const codes = binned.byColumn.subarray(column * binned.rows, (column + 1) * binned.rows)
    // Without branches, since which way a row goes cannot be foreseen: 1 where it goes left.
    const missing = defaultLeft ? missingCode(binned, column) : NO_CODE
    let left = start
    for (let i = start; i < end; i += 1) {
      const row = rows[i] as number
      const own = codes[row] as number
      const goesLeft = ((own - code - 1) >>> 31) | (((own ^ missing) - 1) >>> 31)
      moved[i - left] = row
      rows[left] = row
      left += goesLeft
    }
    rows.set(moved.subarray(0, end - left), left)
    return left
  }

  #giveBack(histogram: Float64Array | undefined): void {
    if (histogram !== undefined) this.#free.push(histogram)
  }
}

function clearColumns(
  histogram: Float64Array,
  { offsets }: BinnedColumns,
  channels: number,
  columns: Int32Array,
): void {
  for (const column of columns) {
    histogram.fill(0, (offsets[column] ?? 0) * channels, (offsets[column + 1] ?? 0) * channels)
  }
}

function totalOf({ channels, values }: RowSums, rows: Int32Array): Float64Array {
  const total = new Float64Array(channels)
  for (const row of rows) {
    for (let c = 0; c < channels; c += 1) {
      total[c] = (total[c] ?? 0) + (values[row * channels + c] ?? 0)
    }
  }
  return total
}

function leafValues(total: Float64Array, { rules, leafScale }: GrowOptions): number[] {
  const weight = (total[rules.numerators] ?? 0) + rules.l2
  const tooSmall = (total.at(-1) ?? 0) < rules.minChildSize || weight <= 0
  return Array.from({ length: rules.numerators }, (_, i) =>
    tooSmall ? 0 : (leafScale * shrink(total[i] ?? 0, rules.l1)) / weight,
  )
}

/** A tree in the making. */
class NodeList {
  readonly #feature: number[] = []
  readonly #threshold: number[] = []
  readonly #left: number[] = []
  readonly #right: number[] = []
  readonly #defaultLeft: number[] = []
  readonly #gain: number[] = []
  readonly #values: (readonly number[])[] = []

  add(values: readonly number[]): number {
    this.#feature.push(-1)
    this.#threshold.push(0)
    this.#left.push(0)
    this.#right.push(0)
    this.#defaultLeft.push(0)
    this.#gain.push(0)
    return this.#values.push(values) - 1
  }

  split(
    node: number,
    into: { readonly split: Split; readonly left: readonly number[]; readonly right: readonly number[] },
  ): { readonly left: number; readonly right: number } {
    const { column, threshold, defaultLeft, gain } = into.split
    const left = this.add(into.left)
    const right = this.add(into.right)
    this.#feature[node] = column
    this.#threshold[node] = threshold
    this.#left[node] = left
    this.#right[node] = right
    this.#defaultLeft[node] = defaultLeft ? 1 : 0
    this.#gain[node] = gain
    return { left, right }
  }

  finish(leafValues: number): Tree {
    const inner = this.#feature.map((column) => column >= 0)
    return {
      feature: Int32Array.from(this.#feature),
      threshold: Float64Array.from(this.#threshold),
      left: Int32Array.from(this.#left),
      right: Int32Array.from(this.#right),
      defaultLeft: Uint8Array.from(this.#defaultLeft),
      value: Float64Array.from(
        this.#values.flatMap((values, node) =>
          inner[node] === true ? Array<number>(leafValues).fill(0) : values,
        ),
      ),
      gain: Float64Array.from(this.#gain),
    }
  }
}
