import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { buildTables } from '../../lake/features/build-tables.js'
import { buildPart } from '../../lake/features/parts/build-part.js'
import { cutRows } from '../../lake/features/parts/cut-rows.js'
import { mergeParts } from '../../lake/features/parts/merge-parts.js'
import { tablesByRecord } from '../../lake/features/parts/tables-by-record.js'
import { listLeases } from '../../lake/staging/stage.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PlannedBuild } from '../../schemas/messages.js'
import { FULL } from '../support/full.js'
import { contents, labPipeline, land, planned, RUN } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'

const DAYS = ['20260701T020000Z', '20260702T020000Z'] as const

let lake: TestLake
beforeEach(() => (lake = testLake([labPipeline])))
afterEach(() => lake.close())

/** Every table but those that need all records at once. */
const BY_RECORD = ['results', 'points', 'summaries']

const numbers = (plan: PlannedBuild): readonly number[] =>
  Array.from({ length: plan.parts ?? 1 }, (_, i) => i)

/** As the workflow does, parts in the order given. */
async function stageInParts(
  deps: LakeDeps,
  whole: PlannedBuild,
  order: readonly number[] = numbers(whole),
): Promise<void> {
  const plan = { ...whole, groups: [] }
  for (const step of ['ids', 'tables'] as const) {
    for (const part of order) await buildPart(deps, { plan, part, step })
    await mergeParts(deps, { plan, step })
  }
}

async function publish(deps: LakeDeps, plan: PlannedBuild) {
  await buildTables(deps, plan, plan.groups.flat())
  return await publishBatch(deps, { plan, checks: { passed: true, results: [] }, run: RUN })
}

async function inParts(batch: string, parts: number): Promise<PlannedBuild> {
  return { ...(await planned(lake.deps, batch)), parts }
}

describe('a batch in parts', () => {
  it('says which tables may be built so, by their SQL', async () => {
    expect([...(await tablesByRecord(labPipeline))]).toEqual(BY_RECORD)
  })

  it('has the rows and counts of one that is not, whatever the parts, the duplicates and what was built before', async () => {
    const run = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      grp: fc.constantFrom('x', 'y'),
      values: fc.array(fc.integer({ min: 0, max: 99 }), { maxLength: 3 }),
      note: fc.constantFrom('hot', 'cold'),
    })
    const landings = fc.array(fc.array(run, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.tuple(landings, landings), fc.integer({ min: 2, max: 5 }), async (days, parts) => {
        const [whole, cut] = [testLake([labPipeline]), testLake([labPipeline])]
        try {
          for (const [day, batch] of DAYS.entries()) {
            for (const [i, runs] of (days[day] ?? []).entries()) {
              const landing = batch.replace('T02', `T0${i}`)
              for (const one of [whole, cut]) await land(one, landing, runs)
            }
            const plan = { ...(await planned(cut.deps, batch)), parts }
            await stageInParts(cut.deps, plan, [...numbers(plan)].reverse())
            const [a, b] = [
              await publish(whole.deps, await planned(whole.deps, batch)),
              await publish(cut.deps, plan),
            ]
            const counts = ({ duplicates, tables }: typeof a) => [duplicates, tables.map(({ rows }) => rows)]
            expect(counts(b)).toEqual(counts(a))
          }
          expect(await contents(cut)).toEqual(await contents(whole))
        } finally {
          whole.close()
          cut.close()
        }
      }),
      { numRuns: FULL ? 5 : 2, endOnFailure: true },
    )
  }, 300_000)

  it('leaves to the rest what needs all records, and its parts’ descriptors and id files go', async () => {
    await land(lake, DAYS[0], [{ id: 'a', grp: 'x', values: [1] }])
    await land(lake, DAYS[1], [{ id: 'a', grp: 'x', values: [2] }])
    const plan = await inParts(DAYS[1], 2)
    await stageInParts(lake.deps, plan)
    const names = async () =>
      (await listLeases(lake.deps)).map(({ location }) => location.split('/').at(-1)).sort()
    const staged = ['points.json', 'results.json', 'runs_ids.json', 'summaries.json']
    expect((await names()).filter((name) => !name?.startsWith('landing-'))).toEqual(staged)
    await publish(lake.deps, plan)
    const { metadata } = await lake.catalog.loadTable(parseIdentifier('lab_features.runs_ids'))
    const files: string[] = []
    for await (const { location } of lake.catalog.io.list(`${metadata.location}/data/`)) files.push(location)
    expect(files).toHaveLength(1)
    expect((await contents(lake))['points']).toMatchObject([{ value: 1 }])
  })

  it('ends as one that was never cut off, wherever an attempt before was', async () => {
    for (const [i, id] of ['a', 'b', 'a', 'c'].entries())
      await land(lake, DAYS[0].replace('T02', `T0${i}`), [{ id, grp: 'x', values: [i] }])
    const plan = await inParts(DAYS[1], 3)
    let done = false
    let crashes = 0
    for (let call = 2; !done; call += 9) {
      lake.crash.set(call, call % 2 === 0 ? 'before' : 'after')
      done = await stageInParts(lake.deps, plan).then(
        () => true,
        () => false,
      )
      if (!done) crashes += 1
      lake.crash.revive()
    }
    expect(crashes).toBeGreaterThan(5)
    expect(await publish(lake.deps, plan)).toMatchObject({ status: 'published', duplicates: 1 })
    const rows = await contents(lake)
    expect(rows['points']).toMatchObject([{ value: 0 }, { value: 1 }, { value: 3 }])
    expect(rows['summaries']).toHaveLength(3)
  })
})

describe('cutting rows', () => {
  it('keeps their order and their objects together, and no part is larger than its share and an object', () => {
    const rows = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 100 })), {
      maxLength: 20,
    })
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 6 }), (objects, parts) => {
        const all = objects.flatMap(([count, bytes], object) =>
          Array.from({ length: count }, () => ({ path: String(object), bytes })),
        )
        const cut = cutRows(all, parts)
        expect(cut).toHaveLength(parts)
        expect(cut.flat()).toEqual(all)
        const paths = cut.flatMap((rowsOfPart) => [...new Set(rowsOfPart.map(({ path }) => path))])
        expect(new Set(paths).size).toBe(paths.length)
        const sum = (list: readonly { readonly bytes: number }[]) =>
          list.reduce((total, { bytes }) => total + bytes, 0)
        const largest = Math.max(0, ...objects.map(([count, bytes]) => count * bytes))
        for (const part of cut) expect(sum(part)).toBeLessThanOrEqual(sum(all) / parts + largest)
      }),
    )
  })
})
