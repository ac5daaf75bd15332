import { FirnError } from '../../schemas/error.js'
import type { TrainingPin } from '../../schemas/model-messages.js'
import { labelFingerprint } from '../datasets/build-dataset.js'
import { pairedBootstrap, type PairedDifference } from '../evaluation/paired-bootstrap.js'
import type { ModelVersion } from './version-store.js'

/** What a version predicted for its test rows, in the data set's order. */
export interface TestPredictions {
  readonly labels: Float64Array
  readonly predictions: Float64Array
  readonly classes: number
}

/** Undefined where a version's artifact keeps none. */
export type ReadTestPredictions = (version: ModelVersion) => Promise<TestPredictions | undefined>

export interface ComparedMetric {
  readonly metric: string
  readonly a: number | null
  readonly b: number | null
  readonly difference: number | null
  readonly baselineA: number | null
  readonly baselineB: number | null
  /** Of metrics on the test rows, where both versions' predictions are kept. */
  readonly paired?: PairedDifference
}

export interface VersionComparison {
  readonly a: string
  readonly b: string
  /** All rows, labels and splits are the same, not only the test rows. */
  readonly sameRows: boolean
  readonly testRows: number
  readonly metrics: readonly ComparedMetric[]
}

/**
 * Metrics of two versions side by side. Errors: FirnError `check-failed` where they weren't measured on the same test rows
 * with the same labels; it says what differs.
 */
export async function compareVersions(
  a: ModelVersion,
  b: ModelVersion,
  readPredictions: ReadTestPredictions = () => Promise.resolve(undefined),
): Promise<VersionComparison> {
  const problems = whyNotComparable(a, b)
  if (problems.length > 0) {
    throw new FirnError(
      'check-failed',
      `${uriOf(a)} and ${uriOf(b)} can't be compared: ${problems.join('; ')}. Train one of them again at the other's tag, with its split and labels.`,
    )
  }
  const [ofA, ofB] = [await readPredictions(a), await readPredictions(b)]
  const keys = [...new Set([...Object.keys(a.trained.metrics), ...Object.keys(b.trained.metrics)])]
  return {
    a: uriOf(a),
    b: uriOf(b),
    sameRows: a.dataset.rowsDigest === b.dataset.rowsDigest,
    testRows: testRows(a),
    metrics: keys.sort(byPart).map((metric) => {
      const [left, right] = [a.trained.metrics[metric] ?? null, b.trained.metrics[metric] ?? null]
      const isPaired = ofA !== undefined && ofB !== undefined && metric.startsWith('test/')
      return {
        ...{ metric, a: left, b: right, difference: left === null || right === null ? null : left - right },
        baselineA: a.trained.baseline[metric] ?? null,
        baselineB: b.trained.baseline[metric] ?? null,
        ...(isPaired && left !== null && right !== null ? { paired: pairOf(a, metric, ofA, ofB) } : {}),
      }
    }),
  }
}

function pairOf(
  version: ModelVersion,
  metric: string,
  a: TestPredictions,
  b: TestPredictions,
): PairedDifference {
  return pairedBootstrap({
    ...{ task: version.pin.settings.task, metric: metric.slice('test/'.length), labels: a.labels },
    ...{ a: a.predictions, b: b.predictions, classes: a.classes, seed: 0 },
  })
}

/** Why metrics of two versions say nothing about which is better; empty where they do. */
export function whyNotComparable(a: ModelVersion, b: ModelVersion): readonly string[] {
  const [one, other] = [a.pin, b.pin]
  const differ = (what: string, left: string, right: string): readonly string[] =>
    left === right ? [] : [`${what} ${left} and ${right}`]
  const tasks =
    one.settings.task === other.settings.task
      ? []
      : [`one is a ${one.settings.task}, the other a ${other.settings.task}`]
  if (a.dataset.testDigest === b.dataset.testDigest) {
    // Without a split the folds are what was measured on.
    const folds = [one, other].map(({ split, settings }) =>
      split === undefined ? wordsOf(settings.validation) : 'a split',
    )
    return [...tasks, ...differ('measured by', folds[0] ?? '', folds[1] ?? '')]
  }
  const labels = [a, b].map(({ pin, dataset }) => dataset.fingerprints[labelFingerprint(pin.labels)])
  const tables = [...new Set([...Object.keys(one.snapshots), ...Object.keys(other.snapshots)])].sort()
  return [
    ...tasks,
    `their test rows differ in entities, times or labels (${testRows(a)} and ${testRows(b)} rows, digests ${a.dataset.testDigest.slice(0, 12)}… and ${b.dataset.testDigest.slice(0, 12)}…)`,
    ...differ('labels', one.labels, other.labels),
    ...(one.labels === other.labels && labels[0] !== labels[1]
      ? [`the labels ${one.labels} were defined otherwise`]
      : []),
    ...differ('split', one.split ?? 'none', other.split ?? 'none'),
    ...differ('tag', one.tag, other.tag),
    ...tables.flatMap((table) =>
      differ(`${table} at snapshot`, one.snapshots[table] ?? 'none', other.snapshots[table] ?? 'none'),
    ),
  ]
}

function wordsOf(validation: TrainingPin['settings']['validation']): string {
  if (validation === undefined) return 'nothing'
  return validation.kind === 'k-fold' ? `${validation.folds} folds` : validation.kind
}

/** Without a split all rows are. */
function testRows({ dataset }: ModelVersion): number {
  return dataset.splits['test']?.rows ?? dataset.rows
}

/** What decides comes first. */
function byPart(left: string, right: string): number {
  const parts = ['test/', 'cv_', 'val/', 'train/']
  const rank = (key: string): number => {
    const at = parts.findIndex((part) => key.startsWith(part))
    return at === -1 ? parts.length : at
  }
  return rank(left) - rank(right) || (left < right ? -1 : 1)
}

function uriOf({ model, version }: ModelVersion): string {
  return `models:/${model}/${version}`
}
