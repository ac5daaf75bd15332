import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTable } from '../../engine/table/open-table.js'
import type { TableCommit } from '../../iceberg/catalog/catalog.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { IcebergError } from '../../iceberg/error.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { ensureTables } from '../../lake/tables/ensure-tables.js'
import { labPipeline } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'

const TABLE = 'lab_features.points'

let lake: TestLake
beforeEach(() => (lake = testLake([labPipeline])))
afterEach(() => lake.close())

describe('maintenance beside a writer that appends all the time', () => {
  it('gets its turn however often that one is first, and tells of it also where an attempt died', async () => {
    await ensureTables(lake.deps, labPipeline)
    const { catalog } = lake.deps
    const commit = catalog.commit.bind(catalog)
    const table = openTable({ ...lake.deps, identifier: parseIdentifier(TABLE) })
    let rows = 0
    const append = async (day: number): Promise<void> => {
      rows += 1
      const batch = { processing_date: day, processing_batch_id: 'x' }
      await table.append([{ run_id: `run ${rows}`, step: 0, value: 1, ...batch }])
    }
    for (const day of [1, 1, 1, 1, 1, 1, 2, 2]) await append(day)
    const tries: string[] = []
    const first = async (commits: readonly TableCommit[]) => {
      catalog.commit = commit
      const action = commits[0]?.updates[0]?.action ?? 'none'
      tries.push(action)
      // The worker dies before it can say what it did.
      if (action === 'set-properties') throw new IcebergError('io', 'the worker is gone')
      if (tries.length <= 20) await append(3)
      catalog.commit = first
      return commit(commits)
    }
    catalog.commit = first
    const options = { dryRun: false, only: ['compact' as const], runId: 'one' }
    await expect(maintainTable(lake.deps, TABLE, options)).rejects.toThrow('the worker is gone')
    catalog.commit = commit
    expect(tries).toEqual([...Array.from({ length: 21 }, () => 'add-snapshot'), 'set-properties'])
    const done = { outcome: 'done', compactedFiles: 6, writtenFiles: 1 }
    expect(await maintainTable(lake.deps, TABLE, options)).toMatchObject(done)
    // Of another run it is not told again.
    const again = { ...options, runId: 'two' }
    expect(await maintainTable(lake.deps, TABLE, again)).toMatchObject({ compactedFiles: 0 })
    expect(await lake.rows(TABLE)).toHaveLength(rows)
  })
})
