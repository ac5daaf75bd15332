import { FirnError } from '../../schemas/error.js'
import type { OnProgress } from '../../schemas/lake-deps.js'
import type { FoldMetrics, ModelMetrics } from '../../schemas/messages.js'
import type { NetworkDefinition } from '../../schemas/pipeline.js'
import type { Dataset, LabelledRow } from '../datasets/dataset.js'
import { baselinesOf } from './baselines.js'
import { meanMetrics, measure } from './metrics.js'
import { fitNetwork, predict } from './network.js'
import type { Tf } from './tensorflow.js'

export interface Evaluation {
  readonly metrics: ModelMetrics
  /** Of the best baseline. */
  readonly baseline: ModelMetrics
  readonly baselineName: string
  readonly baselines: Readonly<Record<string, ModelMetrics>>
  readonly folds: readonly FoldMetrics[]
}

/** What fits on training rows and then scores rows that it has not seen. */
type Method = (
  training: readonly LabelledRow[],
  held: readonly LabelledRow[],
  fold: string,
) => Promise<number[]>

interface Results {
  readonly folds: readonly Partial<ModelMetrics>[]
  readonly mean: ModelMetrics
}

/**
 * Holds out one group after another, so that what is measured is how the model does on a group it has never seen.
 * Beside it stands the baseline with the best held-out AUC: chosen with the answers known, which favours the baseline.
 */
export async function crossValidate(
  tf: Tf,
  dataset: Dataset,
  options: { readonly network: NetworkDefinition; readonly seed: number; readonly onProgress: OnProgress },
): Promise<Evaluation> {
  const groups = [...new Set(dataset.rows.map((row) => row.group))].sort()
  if (groups.length < 2) {
    throw new FirnError(
      'training-failed',
      `all ${dataset.rows.length} rows are of the group "${groups[0] ?? ''}": one group is held out at a time, so at least two are needed. Land data of more groups, or group by another column.`,
    )
  }
  const network: Method = async (training, held, fold) => {
    const fitted = await fitNetwork(tf, {
      names: dataset,
      rows: training,
      network: options.network,
      seed: options.seed,
      onEpoch: (epoch) => options.onProgress(`without ${fold}: epoch ${epoch}/${options.network.epochs}`),
    })
    const scores = predict(tf, fitted, held)
    fitted.layers.dispose()
    return scores
  }
  const model = await heldOut(dataset, groups, network)
  const baselines: [string, Results][] = []
  for (const { name, fit } of baselinesOf(dataset)) {
    const guess: Method = (training, held) => Promise.resolve(held.map(fit(training)))
    baselines.push([name, await heldOut(dataset, groups, guess)])
  }
  const [baselineName, baseline] = baselines.reduce((best, next) =>
    next[1].mean.auc > best[1].mean.auc ? next : best,
  )
  return {
    metrics: model.mean,
    baseline: baseline.mean,
    baselineName,
    baselines: Object.fromEntries(baselines.map(([name, { mean }]) => [name, mean])),
    folds: groups.map((group, index) => {
      const rows = dataset.rows.filter((row) => row.group === group)
      return {
        group,
        rows: rows.length,
        positives: rows.filter((row) => row.label === 1).length,
        model: model.folds[index] ?? {},
        baseline: baseline.folds[index] ?? {},
      }
    }),
  }
}

async function heldOut(dataset: Dataset, groups: readonly string[], method: Method): Promise<Results> {
  const folds: Partial<ModelMetrics>[] = []
  const [labels, scores]: [number[], number[]] = [[], []]
  for (const group of groups) {
    const held = dataset.rows.filter((row) => row.group === group)
    const training = dataset.rows.filter((row) => row.group !== group)
    const foldScores = await method(training, held, group)
    const foldLabels = held.map((row) => row.label)
    folds.push(measure(foldLabels, foldScores))
    labels.push(...foldLabels)
    scores.push(...foldScores)
  }
  return { folds, mean: meanMetrics(folds, measure(labels, scores)) }
}
