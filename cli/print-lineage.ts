import type { SnapshotLineage } from '../ml/lineage/trace-snapshot.js'
import type { SourceTrace, VersionLineage } from '../ml/lineage/version-lineage.js'
import { escapeInvisible, print, printHeading, printTable } from './output.js'

const BATCHES_SHOWN = 12

/** A tree: the version, what it was trained on, the batches of that, their raw objects; then what it predicted. */
export function printVersionLineage(lineage: VersionLineage, options: { readonly objects: boolean }): void {
  const { pin, data, trained, inputs, split, unknown } = lineage
  const { environment } = trained
  line(0, `${lineage.uri}  ${pin.estimator} at ${pin.tag}, seed ${pin.seed}`)
  line(1, `trained   ${lineage.registeredAt} by ${lineage.workflow.workflowId}, run ${lineage.runId}`)
  line(
    1,
    `code      ${environment.codeVersion ?? 'not known'}, ${environment.backend}, ${environment.platform}`,
  )
  line(1, `weights   ${trained.weightsDigest}`)
  line(
    1,
    `data      ${data.digest}, ${data.training_row_count} of ${data.rows} rows trained on × ${data.features} features of ${data.feature_set_version}, labels ${pin.labels}`,
  )
  if (split !== undefined) line(1, `split     ${split.version}, seed ${split.seed}: ${split.method}`)
  for (const input of inputs) {
    const held = input.isTagged ? `held by ${input.tag}` : `NOT held: the tag ${input.tag} is gone`
    line(1, `← ${input.table} at snapshot ${input.snapshot}, ${input.isThere ? held : 'which is gone'}`)
    line(3, input.batch === null ? 'of no known batch' : `up to batch ${input.batch}`)
  }
  const shown = lineage.batches.slice(-BATCHES_SHOWN)
  if (lineage.batchCount > 0) line(1, `← ${count(lineage.batchCount, 'batch', 'batches')}`)
  if (shown.length < lineage.batchCount) line(3, `${lineage.batchCount - shown.length} earlier ones`)
  for (const batch of shown) line(3, `${batch.batch} of ${batch.processingName}`)
  for (const source of lineage.sources) printSource(source, options)
  for (const what of unknown) line(1, `? ${what}`)
  line(1, lineage.predictions.length === 0 ? '→ no predictions' : '→ predictions')
  for (const { table, batch, rows, featuresTag } of lineage.predictions)
    line(3, `${table}, batch ${batch}: ${count(rows, 'row', 'rows')}, features at ${featuresTag}`)
}

function printSource(source: SourceTrace, { objects }: { readonly objects: boolean }): void {
  const rows = source.rows.map(([from, end]) => `${from} to ${end - 1}`).join(', ')
  line(
    1,
    `← source ${source.source}: ${count(source.objectCount, 'raw object', 'raw objects')}, ${count(source.records, 'record', 'records')}, ${count(source.deadLetters, 'dead letter', 'dead letters')} (rows ${rows} of ${source.ledger})`,
  )
  for (const range of source.ranges) {
    line(
      3,
      `${range.incarnation} partition ${range.partition}: offsets ${range.first} to ${(BigInt(range.next) - 1n).toString()}, ${count(range.objects, 'object', 'objects')}`,
    )
  }
  for (const gap of source.gaps)
    line(
      3,
      `gap in partition ${gap.partition}: ${gap.first} to ${(BigInt(gap.next) - 1n).toString()}, ${gap.reason}`,
    )
  line(
    3,
    `all of them: sha256 ${source.digest}${objects || source.objectCount === 0 ? '' : ' (--objects lists them)'}`,
  )
  if (!objects) return
  if (source.objects.length < source.objectCount) line(3, 'too many to be listed')
  for (const object of source.objects) {
    line(3, object.path)
    line(
      5,
      `sha256 ${object.sha256}, partition ${object.partition}, offsets ${object.first} to ${(BigInt(object.next) - 1n).toString()}, ${count(object.records, 'record', 'records')}`,
    )
  }
}

export function printSnapshotLineage({ table, snapshots }: SnapshotLineage): void {
  print(table)
  for (const use of snapshots) {
    const by = use.writtenBy === null ? 'no known batch' : `batch ${use.writtenBy.batch}`
    printHeading(`snapshot ${use.snapshot}${use.isThere ? '' : ' (gone)'}, rows up to ${by}`)
    if (use.refs.length > 0) print(`held by ${use.refs.join(', ')}`)
    if (use.trained.length === 0 && use.scorings.length === 0) print('no model saw it')
    if (use.trained.length > 0) {
      printTable(
        ['trained on it', 'state', 'at'],
        use.trained.map(({ uri, state, tag }) => [uri, state, tag]),
      )
    }
    if (use.scorings.length > 0) {
      printTable(
        ['scored with it', 'batch', 'predictions', 'rows'],
        use.scorings.map((made) => [
          ...[`models:/${made.model}/${made.version}`, made.batch, made.table, made.rows],
        ]),
      )
    }
  }
}

function line(depth: number, text: string): void {
  print(`${'  '.repeat(depth)}${escapeInvisible(text)}`)
}

function count(number: number, one: string, many: string): string {
  return `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`
}
