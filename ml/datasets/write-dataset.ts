import { mkdir, open, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Schema } from 'apache-arrow'
import type { RecordBatch } from 'apache-arrow'
import { quoteName, sqlType } from '../../engine/duckdb/sql-text.js'
import { flushFiles } from '../../engine/durable-files.js'
import type { EngineSession } from '../../engine/engine.js'
import { isLocalLocation, joinLocation, toLocalPath } from '../../iceberg/io/location.js'
import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import type { DatasetInfo } from '../../schemas/model-messages.js'
import { countSplits } from './count-splits.js'
import type { DatasetColumn } from './dataset-columns.js'
import { createDatasetDigest } from './dataset-digest.js'
import { textsOf } from './read-texts.js'
import { datasetFolder } from './sweep-datasets.js'
import { BlockWriter } from './write-blocks.js'

export interface WriteDatasetOptions {
  readonly session: EngineSession
  /** A SELECT with these columns among others; in any order, run once. */
  readonly sql: string
  /** As `datasetColumns` gives them. */
  readonly columns: readonly DatasetColumn[]
  readonly task: ModelTask
  /** Columns that order the rows totally. Default: all of them. */
  readonly orderBy?: readonly string[]
  /** Of a record batch. Default 16,384; fewer where they take 4 MiB. */
  readonly blockRows?: number
}

export type WrittenDataset = Pick<
  DatasetInfo,
  'location' | 'rows' | 'digest' | 'orderedDigest' | 'rowsDigest' | 'testDigest' | 'splits'
>

type Deps = Pick<LakeDeps, 'catalog' | 'warehouse' | 'newUuid'>

/**
 * Runs the SELECT and writes its rows, in one pass and bounded memory, as one Arrow IPC file under a name drawn from their
 * content: the same rows are the same file. The file is there whole or not at all. Floats hold no −0, so that no two rows
 * are equal to the order and unequal to the digest.
 */
export async function writeDataset(deps: Deps, options: WriteDatasetOptions): Promise<WrittenDataset> {
  const folder = datasetFolder(deps.warehouse)
  const isLocal = isLocalLocation(folder)
  const work = join(isLocal ? toLocalPath(folder) : tmpdir(), `.dataset-${deps.newUuid()}.arrow.tmp`)
  await mkdir(dirname(work), { recursive: true })
  try {
    const written = await writeFile(work, options)
    const location = joinLocation(folder, `${written.orderedDigest}.arrow`)
    if (isLocal) {
      await rename(work, toLocalPath(location))
      await flushFiles([toLocalPath(location)], toLocalPath(folder))
    } else {
      await deps.catalog.io.upload(work, location)
    }
    return { location, ...written }
  } finally {
    await rm(work, { force: true })
  }
}

async function writeFile(
  path: string,
  options: WriteDatasetOptions,
): Promise<Omit<WrittenDataset, 'location'>> {
  const { session, columns, task, blockRows: batchRows = BLOCK_ROWS } = options
  const file = await open(path, 'wx')
  try {
    const whole = createDatasetDigest(columns)
    const observations = createDatasetDigest(pick(columns, ['entity', 'event_timestamp', 'label', 'split']))
    const tested = createDatasetDigest(pick(columns, ['entity', 'event_timestamp', 'label']))
    const splits = countSplits(task)
    let writer: BlockWriter | undefined
    for await (const batch of session.stream(orderedSql(options), {
      batchRows,
      batchBytes: BLOCK_BYTES,
      reuse: true,
    })) {
      whole.add(batch)
      observations.add(batch)
      tested.add(batch, isTestRow(batch))
      splits.add(batch)
      writer ??= new BlockWriter(file, batch.schema)
      await writer.write(batch)
    }
    const { digest, orderedDigest, rows } = whole.finish()
    writer ??= new BlockWriter(file, new Schema([]))
    await writer.finish({ columns, digest, orderedDigest })
    return {
      ...{ rows, digest, orderedDigest, splits: splits.finish() },
      ...{ rowsDigest: observations.finish().digest, testDigest: tested.finish().digest },
    }
  } finally {
    await file.close()
  }
}

/** A block is read and shuffled as one: small enough that some of them fit into memory. */
const BLOCK_ROWS = 16_384
const BLOCK_BYTES = 4 * 1024 ** 2

function orderedSql({ sql, columns, orderBy }: WriteDatasetOptions): string {
  const values = columns.map(({ name, type }) => `${valueSql(quoteName(name), type)} AS ${quoteName(name)}`)
  const order = (orderBy ?? columns.map(({ name }) => name)).map((name) => `${quoteName(name)} NULLS FIRST`)
  return `SELECT * FROM (SELECT ${values.join(', ')} FROM (${sql})) ORDER BY ${order.join(', ')}`
}

/** −0 + 0 is 0. */
function valueSql(value: string, type: Type): string {
  const cast = `CAST(${value} AS ${sqlType(type)})`
  if (isPrimitive(type)) return isFloat(type) ? `${cast} + CAST(0 AS ${sqlType(type)})` : cast
  if (type.type !== 'list') return cast
  return `list_transform(${cast}, lambda element: ${valueSql('element', type.element)})`
}

function isFloat(type: Type): boolean {
  return type === 'float' || type === 'double'
}

function pick(columns: readonly DatasetColumn[], names: readonly string[]): readonly DatasetColumn[] {
  return names.map((name) => {
    const column = columns.find((other) => other.name === name)
    if (column !== undefined) return column
    throw new FirnError('invalid-input', `a data set needs the column "${name}": take datasetColumns()`)
  })
}

/** Without a split all rows are. */
function isTestRow(batch: RecordBatch): (row: number) => boolean {
  const split = textsOf(batch, 'split')
  return (row) => (split(row) ?? 'test') === 'test'
}
