import { formatBytes, print, printHeading, printTable, type Cell } from '../output.js'
import { printMaintenance } from '../print-maintenance.js'
import { nightlyJson } from '../commands/run.js'
import type { TopicAccount } from './account-for-topic.js'
import type { DemoSummary } from './run-demo.js'

export function summaryJson(summary: DemoSummary): object {
  return { ...summary, nights: summary.nights.map(nightlyJson) }
}

/** What a new user wants to see: what is in the lake, how it got there, what the model is worth, where to look next. */
export function printSummary(
  summary: DemoSummary,
  where: { readonly home: string; readonly uiUrl: string; readonly keep: boolean },
): void {
  printHeading('Tables')
  printTable(
    ['table', 'rows', 'files', 'size', 'snapshots', 'newest snapshot', 'tags'],
    summary.tables.map((t) => [
      t.name,
      t.rows,
      t.files,
      formatBytes(t.bytes),
      t.snapshots,
      t.snapshotId,
      t.tags.join(' '),
    ]),
  )
  if (summary.topic !== undefined) printTopic(summary.topic)
  printHeading('Audit: one row a batch, written in the same transaction as its data')
  printRecords(summary.audit)
  for (const night of summary.nights) {
    if (night.build.status === 'no_changes') print(`night ${night.batch}: nothing new, nothing written`)
  }
  printModel(summary)
  printHeading(`Predictions of the newest ${summary.score.rows} runs (the surest eight)`)
  printRecords(summary.predictions)
  printHeading('Maintenance')
  printMaintenance(summary.maintenance)
  printHeading('Where to look')
  print(`done in ${summary.seconds.toFixed(1)} s; the lake is in ${where.home}`)
  const [first, second] = summary.nights.map((night) => night.build.publish?.tag)
  print(`  npx firn tables list`)
  print(
    `  npx firn sql "SELECT molecule_name, count(*) AS runs FROM quantum_features.ml_run_summary GROUP BY 1" --at ${first ?? ''}`,
  )
  print(
    `  npx firn tables history quantum_features.vqe_results        # ${second ?? ''} and what came before`,
  )
  print(`  npx firn models show ${summary.lineage.uri}        # every metric, fold and digest`)
  print(`  npx firn reproduce ${summary.lineage.uri}          # once more, whenever you like`)
  print(`  npx firn maintain --dry-run`)
  print(
    where.keep
      ? `  Temporal’s UI: ${where.uiUrl}`
      : `  npx firn dev      # Temporal’s UI with these runs (during the demo it was at ${where.uiUrl})`,
  )
}

const SHOWN = [
  'cv_auc_mean',
  'cv_log_loss_mean',
  'cv_accuracy_mean',
  'test/roc_auc',
  'test/log_loss',
] as const

function printModel({ training, promotion, lineage, reproduction }: DemoSummary): void {
  printHeading('Model, beside the best naive guess')
  const { pin, dataset, trained } = training
  const splits = Object.entries(dataset.splits).map(([split, { rows: n }]) => `${n} ${split}`)
  print(
    `${pin.estimator}, ${dataset.features} features, ${splits.join(', ')} rows; cv: each molecule held out in turn`,
  )
  printTable(
    ['metric', 'model', trained.baselineName],
    SHOWN.map((name) => [name, trained.metrics[name], trained.baseline[name]]),
  )
  print(
    `(${dataset.rows} runs of three molecules are few: docs/quantum-models.md has all 150, and every model)`,
  )
  const { promoted, alias, baseline, challenger, metric, problems } = promotion
  print(
    promoted
      ? `promoted to ${alias}: ${metric} ${challenger?.toFixed(3) ?? '–'}, ${baseline.name} ${baseline.value?.toFixed(3) ?? '–'}`
      : `not promoted to ${alias}: ${problems.join('; ')}`,
  )
  printHeading('Lineage: what it was trained on, and the same model made again from it')
  const { inputs, sources, batches, uri } = lineage
  const built = batches.filter(({ processingName }) => processingName === training.pipeline)
  const tags = [...new Set(inputs.map(({ tag }) => tag))].join(' ')
  print(`${uri} → tag ${tags} → ${inputs.length} tables at ${training.pin.tag}`)
  for (const { records, objectCount, ledger, digest } of sources) {
    print(
      `  → ${built.length} batches → ${records} raw documents in ${objectCount} objects of ${ledger} (sha256 ${digest.slice(0, 12)}…)`,
    )
  }
  const { verdict, data, weights } = reproduction
  print(
    `firn reproduce: ${verdict} (data ${data.digest?.slice(0, 12) ?? '–'}… ${data.verdict}, weights ${weights.digest?.slice(0, 12) ?? '–'}… ${weights.verdict})`,
  )
}

/** The broker's own offsets beside the ledger's. */
function printTopic(topic: TopicAccount): void {
  printHeading(
    `Topic ${topic.topic} on ${topic.brokers.join(',')}, read by offsets, without a consumer group`,
  )
  printTable(
    ['partition', 'log begins', 'log ends', 'landed to', 'lag', 'objects', 'records'],
    topic.partitions.map((p) => [p.partition, p.logFirst, p.logEnd, p.landedTo, p.lag, p.objects, p.records]),
  )
  const { sent, landed, built, deadLetters, offsetsTwice, offsetsMissing, lag } = topic
  print(
    `${topic.exactlyOnce ? 'exactly once' : 'NOT exactly once'}: ${sent} sent, ${landed} landed, ${built} built; ` +
      `offsets twice ${offsetsTwice}, missing ${offsetsMissing}; dead letters ${deadLetters}; lag ${lag}`,
  )
}

function printRecords(records: readonly Record<string, unknown>[]): void {
  const columns = Object.keys(records[0] ?? {})
  printTable(
    columns,
    records.map((record) => columns.map((column) => record[column] as Cell)),
  )
}
