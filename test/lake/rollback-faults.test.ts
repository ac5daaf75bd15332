import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { FULL } from '../support/full.js'
import { Crash } from './support/crashing.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { planRollback } from '../../lake/rollback/plan-rollback.js'
import { runRollback } from '../../lake/rollback/run-rollback.js'
import { build, contents, labPipeline, land } from './support/batches.js'
import { restorableLake, type RestorableLake } from './support/restorable-lake.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'

let saved: RestorableLake
beforeEach(async () => {
  saved = restorableLake([labPipeline])
  await land(saved.lake, DAY_1, [{ id: 'a', grp: 'x', values: [1, 2] }])
  await build(saved.lake.deps, DAY_1)
  await land(saved.lake, DAY_2, [{ id: 'b', grp: 'y', values: [3], note: 'hot' }])
  await build(saved.lake.deps, DAY_2)
})
afterEach(() => saved.lake.close())

const rollBack = async (deps = saved.lake.deps) =>
  await runRollback(deps, await planRollback(deps, { pipeline: 'lab', to: DAY_1 }))

/** The process ends with the commit done and its answer unheard. */
function endingWithCommit({ catalog, ...deps }: LakeDeps): LakeDeps {
  const commit: typeof catalog.commit = async (commits) => {
    await catalog.commit(commits)
    throw new Crash('crash after the commit')
  }
  return {
    ...deps,
    catalog: new Proxy(catalog, { get: (target, key) => (key === 'commit' ? commit : bound(target, key)) }),
  }
}

function bound(target: object, key: string | symbol): unknown {
  const value = Reflect.get(target, key, target) as unknown
  return typeof value === 'function' ? (value.bind(target) as unknown) : value
}

/** The heads of all tables, their tags, and the names of the audit rows' statuses. */
async function showing(): Promise<string> {
  const tables = await saved.lake.catalog.loadTables(await saved.lake.catalog.listTables('lab_features'))
  return JSON.stringify(
    tables.map(({ identifier, metadata }) => [
      identifier.name,
      headOf(metadata)?.summary?.['firn.status'] ?? null,
      headOf(metadata)?.summary?.['total-records'] ?? null,
      Object.keys(metadata.refs).sort(),
    ]),
  )
}

// Dying after a call is dying before the next one: nothing happens in between.
describe('a process that ends after any call of a rollback', { timeout: 180_000 }, () => {
  it('leaves every table as it was or as it is to be, and once it is done again they are', async () => {
    saved.save()
    const before = await showing()
    saved.lake.crash.revive()
    expect(await rollBack()).toBe(true)
    const { calls } = saved.lake.crash
    const [after, rows] = [await showing(), await contents(saved.lake)]
    expect(calls).toBeGreaterThan(15)
    for (let at = 1; at <= calls; at += FULL ? 3 : 5) {
      saved.restore()
      saved.lake.crash.set(at, 'after')
      await rollBack().catch(() => undefined)
      saved.lake.crash.revive()
      expect(await showing(), `after call ${at}`).toBe(before)
      expect(await rollBack()).toBe(true)
      expect(await showing()).toBe(after)
      if (at % 7 === 0) expect(await contents(saved.lake)).toEqual(rows)
    }
    saved.restore()
    await expect(rollBack(endingWithCommit(saved.lake.deps))).rejects.toThrow(Crash)
    expect(await showing()).toBe(after)
    expect(await rollBack()).toBe(false)
    expect(await contents(saved.lake)).toEqual(rows)
  })
})
