import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Engine, Relation } from '../../engine/engine.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { FULL } from '../support/full.js'
import { keepOneSnapshot } from './support/keep-one-snapshot.js'
import type { LandedEvent } from './support/landed-events.js'
import { click, MINUTE, T0, WINDOW_TABLES, WindowModel, type WindowName } from './support/window-model.js'

let model: WindowModel
beforeEach(() => (model = new WindowModel()))
afterEach(() => model.lake.close())

/** A landing of half a minute: two parts, users a to e, some events up to seven minutes late. */
function halfMinute(n: number): readonly (readonly LandedEvent[])[] {
  const at = (i: number): number => T0 + n * (MINUTE / 2) - (i % 3 === 0 ? ((n * 7 + i) % 7) * MINUTE : 0)
  const event = (i: number): LandedEvent => click(`${n}.${i}`, 'abcde'[(n + i) % 5] ?? 'a', at(i), i)
  return [
    [event(0), event(1)],
    [event(2), event(3)],
  ]
}

describe('a stream that goes on', () => {
  const refreshes = FULL ? 120 : 60

  it(`stays small in files and snapshots over ${refreshes} refreshes, and what it holds is right`, async () => {
    const most = { files: 0, snapshots: 0, manifests: 0 }
    const settings = { ...model.deps.settings, orphanMinAgeMs: 1_000_000_000 }
    const deps: LakeDeps = { ...model.deps, settings }
    for (let n = 0; n < refreshes; n += 1) {
      await model.land(halfMinute(n))
      const watermarkMs = T0 + n * (MINUTE / 2)
      expect(await model.refresh(watermarkMs)).toMatchObject({ status: 'refreshed', rowEnd: 2 * n + 2 })
      await model.noteWatermarks()
      if (n % 20 === 19) {
        for (const name of [...WINDOW_TABLES.map((table) => `shop_features.${table}`), 'raw.clicks']) {
          await keepOneSnapshot(model.deps.catalog, name)
          await maintainTable(deps, name, { dryRun: false })
        }
      }
      for (const name of WINDOW_TABLES) {
        const size = await sizeOf(name)
        most.files = Math.max(most.files, size.files)
        most.snapshots = Math.max(most.snapshots, size.snapshots)
        most.manifests = Math.max(most.manifests, size.manifests)
      }
    }
    for (const name of WINDOW_TABLES)
      expect(await model.read(name)).toEqual(model.expected(name, model.rows.length))
    expect(most.snapshots).toBeLessThanOrEqual(25)
    expect(most.files).toBeLessThanOrEqual(60)
    expect(most.manifests).toBeLessThanOrEqual(60)
  }, 300_000)

  it('reads as little after ten times the history', async () => {
    const reads = []
    let n = 0
    const landAndRefresh = async (deps?: LakeDeps) => {
      await model.land([
        [click(`${n}.0`, 'a', T0 + n * 5 * MINUTE), click(`${n}.1`, 'b', T0 + (n - 1) * 5 * MINUTE)],
      ])
      n += 1
      return await model.refresh(T0 + n * 5 * MINUTE, deps === undefined ? {} : { deps })
    }
    for (const hours of [2, 20]) {
      for (; n < hours * 12; n += 1) await model.land([[click(`${n}.0`, 'a', T0 + n * 5 * MINUTE)]])
      await landAndRefresh()
      await landAndRefresh()
      const counted = countingEngine(model.deps.engine)
      await landAndRefresh({ ...model.deps, engine: counted.engine })
      reads.push(counted.read)
    }
    const [short, long] = reads
    expect(short!.ledgerFiles).toBeGreaterThan(0)
    expect(short!.rawObjects).toBeGreaterThan(2)
    expect(short!.tableFiles).toBeGreaterThan(0)
    expect(long).toEqual(short)
  }, 300_000)
})

async function sizeOf(name: WindowName) {
  const metadata = await model.metadataOf(name)
  const { io } = model.lake.catalog
  const head = headOf(metadata)
  const { tasks } = await planScan({ metadata, io })
  return {
    files: tasks.length + tasks.reduce((sum, task) => sum + task.deletes.length, 0),
    snapshots: metadata.snapshots.length,
    manifests: head === undefined ? 0 : (await readManifests(io, metadata, head)).length,
  }
}

/** What sessions are given to read, by whose it is. */
function countingEngine(engine: Engine) {
  const read = { ledgerFiles: 0, rawObjects: 0, tableFiles: 0 }
  const count = (relation: Relation): void => {
    if (relation.kind === 'raw') read.rawObjects += relation.objects.length
    if (relation.kind !== 'scan') return
    if (relation.name === 'ledger') read.ledgerFiles += relation.tasks.length
    else read.tableFiles += relation.tasks.length
  }
  const counting: Engine = {
    openSession: async (options) => {
      const session = await engine.openSession(options)
      return new Proxy(session, {
        get(target, key) {
          const value = Reflect.get(target, key, target) as unknown
          if (key !== 'addRelation')
            return typeof value === 'function' ? (value.bind(target) as unknown) : value
          return async (relation: Relation) => {
            count(relation)
            await target.addRelation(relation)
          }
        },
      })
    },
  }
  return { engine: counting, read }
}
