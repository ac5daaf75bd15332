import { describe, expect, test } from 'vitest'
import { eq, gtEq, lt } from '../../iceberg/expr/expression.js'
import {
  createTable,
  disturbing,
  MODES,
  ODD,
  range,
  read,
  reopen,
  rowOf,
  rowsOf,
  sorted,
} from './table-support.js'

describe.each(MODES)('writers at the same time, %s', (mode) => {
  test('no update is lost: five writers count each row up', async () => {
    const table = await createTable('partitioned')
    await table.append(rowsOf(range(0, 8)).map((row) => ({ ...row, x: 0 })))
    const writers = range(0, 5).map(() => reopen(table.identifier))
    const results = await Promise.all(
      writers.map((writer) => writer.update({ where: { sql: 'true' }, set: { x: 'x + 1' }, mode })),
    )
    expect((await read(table)).map((row) => row['x'])).toEqual(range(0, 8).map(() => 5))
    expect(Math.max(...results.map((result) => result.tries))).toBeGreaterThan(1)
  })

  test('upserts of the same keys add each key once, all from one writer', async () => {
    const table = await createTable('unpartitioned')
    await table.append(rowsOf(range(0, 3)))
    const writers = range(1, 6).map((change) =>
      reopen(table.identifier).upsert(
        rowsOf(range(0, 6)).map((row) => ({ ...row, [ODD]: `w${change}` })),
        { mode },
      ),
    )
    await Promise.all(writers)
    const rows = await read(table)
    expect(rows.map((row) => Number(row['id']))).toEqual(range(0, 6))
    expect(new Set(rows.map((row) => row[ODD])).size).toBe(1)
  })

  test('a delete does not lose the rows that another appends meanwhile, and misses none', async () => {
    const table = await createTable('partitioned')
    await table.append(rowsOf(range(0, 10)))
    await Promise.all([
      reopen(table.identifier).delete(lt('id', 5n), { mode }),
      ...range(0, 4).map((writer) => reopen(table.identifier).append(rowsOf([20 + writer]))),
    ])
    expect(await read(table)).toEqual(rowsOf([...range(5, 10), ...range(20, 24)]))
  })

  test('changes of different partitions do not disturb each other', async () => {
    const table = await createTable('partitioned')
    await table.append(rowsOf(range(0, 16)))
    const results = await Promise.all([
      reopen(table.identifier).delete(eq('kind', ''), { mode, isolation: 'snapshot' }),
      reopen(table.identifier).delete(eq('kind', 'ö'), { mode, isolation: 'snapshot' }),
    ])
    expect(results.map((result) => result.tries)).toEqual([1, 1])
    const left = range(0, 16).filter((id) => id % 4 !== 1 && id % 4 !== 3)
    expect(await read(table)).toEqual(rowsOf(left))
  })
})

test('a change gives up after so many tries and says so', async () => {
  const table = await createTable('unpartitioned')
  await table.append(rowsOf([1]))
  const other = reopen(table.identifier)
  let disturbed = 0
  const disturb = async (): Promise<void> => {
    disturbed++
    await other.append(rowsOf([10 + disturbed]))
  }
  const update = disturbing(table.identifier, disturb).update({
    where: { sql: 'true' },
    set: { x: '1' },
    tries: 2,
  })
  await expect(update).rejects.toMatchObject({ kind: 'rebuild-needed' })
  expect(disturbed).toBe(2)
})

test('an operation id makes a second call find the first', async () => {
  const table = await createTable('unpartitioned')
  const first = await table.append(rowsOf([1]), { operationId: 'night-1' })
  const again = await reopen(table.identifier).append(rowsOf([1]), { operationId: 'night-1' })
  expect([again.snapshotId, again.addedRows, again.tries]).toEqual([first.snapshotId, 0, 0])
  expect(await read(table)).toEqual([rowOf(1)])
})

test('writes to a branch leave main alone; tags name the snapshot', async () => {
  const table = await createTable('unpartitioned')
  await table.append(rowsOf(range(0, 4)), { tags: [{ name: 'v1' }] })
  await table.delete(gtEq('id', 2n), { branch: 'audit' })
  await table.upsert(rowsOf([1], 3), { branch: 'audit' })
  expect(await read(table)).toEqual(rowsOf(range(0, 4)))
  const audit = await table.rows({ at: { kind: 'ref', ref: 'audit' } })
  expect(sorted(audit).map((row) => row[ODD])).toEqual([null, 'o1-3'])
  await table.delete({ kind: 'true' })
  expect(await table.rows({ at: { kind: 'ref', ref: 'v1' } })).toHaveLength(4)
})
