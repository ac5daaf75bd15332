import { beforeEach, describe, expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { updateSchema, updateSpec } from '../../iceberg/evolve/evolve-table.js'
import type { SchemaChange } from '../../iceberg/evolve/schema-change.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { DAY_MS, RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }

let lake: RowLake
beforeEach(async () => {
  lake = new RowLake()
  await lake.create(T)
})

async function schema(...changes: readonly SchemaChange[]) {
  const { catalog, newUuid } = lake
  await updateSchema({ catalog, identifier: T, newUuid, changes })
}

async function unpartition() {
  const { catalog, newUuid } = lake
  await updateSpec({ catalog, identifier: T, newUuid, changes: [{ kind: 'remove', name: 'partition' }] })
}

/** A file of the unpartitioned spec. */
async function appendPlain(row: string) {
  const { metadata } = await lake.catalog.loadTable(T)
  const file = { ...(await lake.write(T, [row])), specId: metadata['default-spec-id'], partition: [] }
  return lake.commit(T, { kind: 'append', files: [file] })
}

/** All rows go, and the files of them. */
async function empty() {
  const { metadata } = await lake.catalog.loadTable(T)
  const basis = metadata['current-snapshot-id'] ?? null
  await lake.commit(T, { kind: 'overwrite-partitions', files: [await lake.write(T, ['new'])], basis })
}

async function clean(more: Partial<Parameters<typeof expireSnapshots>[0]> = {}) {
  lake.nowMs += 10 * DAY_MS
  const { catalog, nowMs } = lake
  const request = { catalog, identifier: T, nowMs, cleanExpiredMetadata: true, ...more }
  const { removedMetadata } = await expireSnapshots(request)
  const { metadata } = await catalog.loadTable(T)
  return {
    removed: removedMetadata,
    schemas: metadata.schemas.map((one) => one['schema-id']),
    specs: metadata['partition-specs'].map((one) => one['spec-id']),
  }
}

const note: SchemaChange = { kind: 'add', name: 'note', type: 'string' }

describe('an expiry that cleans the metadata', () => {
  it('removes schemas that no snapshot is of; by default, and in a dry run, they stay', async () => {
    await lake.append(T, ['a'])
    await schema(note)
    await schema({ kind: 'rename', column: 'note', to: 'remark' })
    await empty()
    expect(await clean({ cleanExpiredMetadata: false })).toMatchObject({ schemas: [0, 1, 2] })
    const removed = { schemaIds: [0, 1], specIds: [] }
    expect(await clean({ dryRun: true })).toEqual({ removed, schemas: [0, 1, 2], specs: [0] })
    expect(await clean()).toEqual({ removed, schemas: [2], specs: [0] })
    expect(await lake.rows(T)).toEqual(['new'])
    expect(await clean()).toMatchObject({ removed: { schemaIds: [], specIds: [] } })
  })

  it('keeps the schema and the spec of what a tag holds', async () => {
    await lake.append(T, ['a'])
    await lake.refs(T, { kind: 'create-tag', name: 'v1' })
    await schema(note)
    await unpartition()
    await appendPlain('b')
    expect(await clean()).toMatchObject({ schemas: [0, 1], specs: [0, 1] })
    await lake.refs(T, { kind: 'drop', name: 'v1' })
    // The files of the tag are main's too, under their old spec.
    expect(await clean()).toMatchObject({ schemas: [1], specs: [0, 1] })
    expect(await lake.rows(T)).toEqual(['a', 'b'])
  })

  it('removes specs that no manifest is of, but never the default', async () => {
    await lake.append(T, ['a'])
    await unpartition()
    await appendPlain('b')
    const { metadata } = await lake.catalog.loadTable(T)
    const { tasks } = await planScan({ metadata, io: lake.io })
    await lake.commit(T, {
      ...{
        kind: 'row-delta',
        removed: tasks.map(({ file }) => file),
        added: [],
        deletes: [],
        deletedFrom: [],
      },
      ...{ filter: alwaysTrue, isolation: 'snapshot', basis: metadata['current-snapshot-id'] ?? null },
    })
    // The snapshot that took the file out still tells of it, under its spec.
    expect(await clean()).toMatchObject({ specs: [0, 1] })
    await appendPlain('c')
    expect(await clean()).toMatchObject({ removed: { schemaIds: [], specIds: [0] }, specs: [1] })
    expect(await lake.rows(T)).toEqual(['c'])
  })

  it('keeps the schema that alone knows a column which delete files may compare', async () => {
    for (const deletes of [['a'], []]) {
      lake = new RowLake()
      await lake.create(T)
      await schema(note)
      await lake.append(T, ['a', 'b'])
      if (deletes.length > 0) await lake.upsertBlindly(T, { deletes, adds: [] })
      await schema({ kind: 'drop', column: 'note' }, { kind: 'add', name: 'other', type: 'int' })
      await lake.append(T, ['c'])
      expect(await clean()).toMatchObject({ schemas: deletes.length > 0 ? [1, 2] : [2] })
    }
  })

  it('leaves a schema to a writer who makes it current meanwhile', async () => {
    await lake.append(T, ['a'])
    await schema(note)
    await empty()
    const { catalog } = lake
    const commit = catalog.commit.bind(catalog)
    let isFirst = true
    catalog.commit = async (commits) => {
      const wasFirst = isFirst
      isFirst = false
      if (wasFirst) await schema({ kind: 'drop', column: 'note' })
      return commit(commits)
    }
    const { schemas } = await clean()
    const { metadata } = await catalog.loadTable(T)
    expect(schemas).toContain(metadata['current-schema-id'])
    expect(await lake.rows(T)).toEqual(['new'])
  })
})
