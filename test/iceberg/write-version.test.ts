import { expect, it } from 'vitest'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { MODEL_SCHEMA } from '../support/lake-model.js'

it.each(['1', '3'])(
  'a table of format version %s is kept for other engines and never written',
  async (version) => {
    const options = { now: () => 1_800_000_000_000, newUuid: () => crypto.randomUUID() }
    const catalog = new MemoryCatalog({
      name: 'm',
      warehouse: 'memory://w',
      io: new MemoryFileIO(),
      ...options,
    })
    await catalog.createNamespace('m')
    const identifier = { namespace: 'm', name: 't' }
    const properties = { 'format-version': version }
    const made = await catalog.createTable({ identifier, schema: MODEL_SCHEMA, properties })
    const file = {
      content: 'data',
      filePath: 'memory://data/1.parquet',
      fileFormat: 'parquet',
      specId: 0,
      partition: [],
      recordCount: 1,
      fileSizeInBytes: 100,
    } as const
    const change = { kind: 'append', files: [file] } as const
    await expect(
      commitTransaction({
        ...options,
        catalog,
        changes: [{ identifier, change, snapshotId: toSnapshotId(7) }],
      }),
    ).rejects.toMatchObject({ kind: 'unsupported' })
    expect(await catalog.loadTable(identifier)).toEqual(made)
  },
)
