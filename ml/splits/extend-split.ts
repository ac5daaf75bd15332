import { addSlices, SLICE_ROWS } from '../../engine/add-slices.js'
import type { EngineSession, Row } from '../../engine/engine.js'
import { tableTarget } from '../../engine/table-target.js'
import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { batchIdOf } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { DATASETS_NAMESPACE, SPLIT_KEY, SPLITS } from '../../schemas/lake-tables.js'
import type { Publish, PublishRequest, PublishTable, RunInfo } from '../../schemas/publish.js'
import { columnOf, textsOf } from '../datasets/read-texts.js'
import { batchOfTag, type PinnedTag } from '../training/pin-training.js'
import { digestOf } from '../views/digest-of.js'
import type { SplitKey } from './add-split.js'
import { assignedBefore } from './assigned-before.js'
import { findSplit, openSplit, pinSplit, type DefinedSplit } from './open-split.js'
import { NONE_BEFORE, planSplit, planStratified, type AssignedRow, type SplitRow } from './plan-split.js'
import { promised, reportSplit, type SplitReport } from './split-report.js'

export interface ExtendSplitInput extends SplitKey {
  /** Tag that the label view is read at; default: the pipeline's newest batch. */
  readonly at?: string
  /** What a training is pinned to, in place of `at`. */
  readonly pin?: PinnedTag
}

export interface ExtendedSplit extends SplitKey, SplitReport {
  readonly status: 'extended' | 'no_changes'
  readonly tag: string
  /** Rows that got a split. */
  readonly added: number
  /** Of the table of splits, with every row of the pin assigned; null while the table is empty. */
  readonly snapshotId: string | null
}

/** How often others may change the table between planning and publishing. */
const ROUNDS_MAX = 10

/**
 * Gives every observation of a split's label view that has none a split, and publishes the new rows with their audit row.
 * Rows that have one keep it. Done again there is nothing to add; two at once assign each row once, since the second one
 * finds the first one's rows and plans again. The tables must be there. FirnError `definition-changed` where rows were
 * assigned by another method, `check-failed` where an entity or group would lie in two splits.
 */
export async function extendSplit(
  deps: LakeDeps,
  publish: Publish,
  input: ExtendSplitInput,
  run: RunInfo,
): Promise<ExtendedSplit> {
  const split = findSplit(deps, input)
  const pin = await pinOf(deps, split, input)
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const extended = await extendOnce(deps, publish, { split, pin, run })
    if (extended !== undefined) return extended
  }
  throw new FirnError(
    'rebuild-needed',
    `split "${input.split}": others changed ${formatIdentifier(SPLITS)} ${ROUNDS_MAX} times while it was extended; try again`,
  )
}

/** A training of another label view has not pinned the tables of the split's own: these are read at its tag. */
async function pinOf(deps: LakeDeps, split: DefinedSplit, { pin, at }: ExtendSplitInput): Promise<PinnedTag> {
  if (pin === undefined) return await pinSplit(deps, split, at)
  if (split.labels.tables.every((table) => Object.hasOwn(pin.snapshots, formatIdentifier(table)))) return pin
  const own = await pinSplit(deps, split, pin.tag)
  return { ...pin, snapshots: { ...own.snapshots, ...pin.snapshots } }
}

interface Extension {
  readonly split: DefinedSplit
  readonly pin: PinnedTag
  readonly run: RunInfo
}

/** Undefined where others were faster: then a look at the table says what is left to do. */
async function extendOnce(
  deps: LakeDeps,
  publish: Publish,
  extension: Extension,
): Promise<ExtendedSplit | undefined> {
  const { split, pin } = extension
  const table = await deps.catalog.loadTable(SPLITS)
  const session = await deps.engine.openSession()
  try {
    await openSplit(deps, session, { split, pin, table })
    const planned = await planRows(session, split, table)
    const report = await checkedReport(session, split)
    const result = { pipeline: split.pipeline, split: split.split, tag: pin.tag, ...report }
    if (planned === 0) {
      const snapshotId = headOf(table.metadata)?.['snapshot-id'].toString() ?? null
      return { ...result, status: 'no_changes', added: 0, snapshotId }
    }
    const staged = await stageRows(session, table)
    const published = await publish(publishRequest(extension, table, staged))
    if (published.alreadyCommitted) return undefined
    const own = published.tables.find(({ table: name }) => name === staged.table)
    return { ...result, status: 'extended', added: planned, snapshotId: own?.snapshotId ?? null }
  } catch (error) {
    if (error instanceof FirnError && error.kind === 'rebuild-needed') return undefined
    throw error
  } finally {
    await session.close()
  }
}

/** Makes the rows that are to be added the relation `planned`, and counts them. */
async function planRows(session: EngineSession, split: DefinedSplit, table: LoadedTable): Promise<number> {
  await session.addRelation({
    ...{ kind: 'query', name: 'fresh' },
    sql: `SELECT entity_key, event_timestamp, min(group_key) AS group_key, min(class) AS class, count(*) AS twins
          FROM labelled ANTI JOIN assigned USING (entity_key, event_timestamp)
          GROUP BY entity_key, event_timestamp`,
  })
  await refuseTwins(session, split)
  const { definition } = split
  const planned = { name: 'planned', schema: currentSchema(table.metadata) }
  if (definition.method.kind === 'stratified') {
    const rows: SplitRow[] = []
    for await (const slice of freshRows(session)) for (const row of slice) rows.push(row)
    const before = await assignedBefore(session)
    const { fractions } = definition.method
    const all = await planStratified({ version: split.split, definition, rows, before }, fractions)
    return await addSlices(session, planned, slicesOf(split, all))
  }
  // Each row's split follows from that row alone.
  return await addSlices(session, planned, planEach(session, split))
}

async function* planEach(session: EngineSession, split: DefinedSplit): AsyncGenerator<readonly Row[]> {
  const { split: version, definition } = split
  for await (const rows of freshRows(session)) {
    yield plannedRows(split, planSplit({ version, definition, rows, before: NONE_BEFORE }))
  }
}

function* slicesOf(split: DefinedSplit, all: readonly AssignedRow[]): Generator<readonly Row[]> {
  for (let start = 0; start < all.length; start += SLICE_ROWS) {
    yield plannedRows(split, all.slice(start, start + SLICE_ROWS))
  }
}

async function* freshRows(session: EngineSession): AsyncGenerator<readonly SplitRow[]> {
  const sql = 'SELECT entity_key, event_timestamp, group_key, class FROM fresh'
  for await (const batch of session.stream(sql, { batchRows: SLICE_ROWS })) {
    const [entity, group, label] = ['entity_key', 'group_key', 'class'].map((name) => textsOf(batch, name))
    const times = columnOf(batch, 'event_timestamp')?.values as BigInt64Array
    yield Array.from({ length: batch.numRows }, (_, row) => ({
      entity: entity?.(row) ?? '',
      timeUs: times[row] ?? 0n,
      group: group?.(row) ?? null,
      label: label?.(row) ?? '',
    }))
  }
}

function plannedRows(split: DefinedSplit, planned: readonly AssignedRow[]): readonly Row[] {
  const { definition, labels, method } = split
  return planned.map((row) => ({
    ...{ pipeline: split.pipeline, split_version: split.split, label_view: labels.name },
    ...{ entity_key: row.entity, event_timestamp: row.timeUs, split: row.split, stratum: row.stratum },
    ...{ method, split_seed: BigInt(definition.seed) },
  }))
}

/** Two labels of one entity at one time would make it open which one is split. */
async function refuseTwins(session: EngineSession, { labels }: DefinedSplit): Promise<void> {
  const { rows } = await session.query(
    `SELECT entity_key, event_timestamp FROM fresh WHERE twins > 1 ORDER BY ALL LIMIT 1`,
  )
  const [twin] = rows
  if (twin === undefined) return
  const at = new Date(Number((twin['event_timestamp'] as bigint) / 1000n)).toISOString()
  throw new FirnError(
    'config',
    `label view "${labels.name}" has the entity ${twin['entity_key'] as string} more than once at ${at}. Give one row an entity and observation time: correct its SQL.`,
  )
}

/** Of the version as it is with the planned rows; `check-failed` where these would break what its method promises. */
async function checkedReport(session: EngineSession, split: DefinedSplit): Promise<SplitReport> {
  const columns = 'entity_key, event_timestamp, split'
  await session.addRelation({
    ...{ kind: 'query', name: 'extended', lazy: true },
    sql: `SELECT ${columns} FROM assigned UNION ALL SELECT ${columns} FROM planned`,
  })
  const report = await reportSplit(session, 'extended')
  const word = promised(split.definition)
  if (word === undefined || report.leaks[word] === 0) return report
  throw new FirnError(
    'check-failed',
    `split "${split.split}" of pipeline "${split.pipeline}": ${report.leaks[word]} ${word} would lie in two splits (${report.leaks.examples.join('; ')}), since their rows changed after they were split. Define a new version.`,
    { context: { ...report.leaks } },
  )
}

async function stageRows(session: EngineSession, { metadata }: LoadedTable): Promise<PublishTable> {
  const written = await session.write('SELECT * FROM planned', {
    ...tableTarget(metadata),
    orderBy: SPLIT_KEY,
  })
  return {
    ...{ table: formatIdentifier(SPLITS), write: 'insert-new', ...written },
    basisSnapshotId: headOf(metadata)?.['snapshot-id'].toString() ?? null,
  }
}

function publishRequest(
  { split, pin, run }: Extension,
  { metadata }: LoadedTable,
  staged: PublishTable,
): PublishRequest {
  const { pipeline, split: version, labels, definition } = split
  const batch = batchOfTag(pin.tag) ?? batchIdOf(new Date(pin.asOf))
  // Each commit raises it, a rollback does not lower it: the same rows after one are another publish than before.
  const state = metadata['last-sequence-number']
  const snapshots = Object.fromEntries(
    labels.tables.map(formatIdentifier).map((name) => [name, pin.snapshots[name]]),
  )
  return {
    namespace: DATASETS_NAMESPACE,
    processingName: `${pipeline}.split.${version}`,
    batch,
    tables: [staged],
    tag: `split_${pipeline}_${version}_${batch}_${state}`,
    tagTables: [],
    ...{ inputFrom: state, inputTo: state + 1 },
    duplicates: 0,
    fingerprint: digestOf({ definition, labels: labels.fingerprint }),
    sourceDataInfo: JSON.stringify({ labels: labels.name, tag: pin.tag, snapshots }),
    checks: [],
    run,
  }
}
