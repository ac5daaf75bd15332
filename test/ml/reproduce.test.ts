import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { ensureSplitTables, ensureTables } from '../../lake/tables/ensure-tables.js'
import { modelTag } from '../../ml/registry/free-tags.js'
import { deleteVersion } from '../../ml/registry/register-version.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { readConfig } from '../../workers/config.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { keepOneSnapshot } from '../lake/support/keep-one-snapshot.js'
import { partsOf, reproduceVersion, trainVersion } from './support/reproduce.js'
import { addRuns, TOY, toyRows } from './support/toy-lake.js'

const RUNS = 'toy_features.runs'
const SPLITS = 'ml_datasets.splits'
const DAY_MS = 86_400_000
const ESTIMATORS = ['logistic', 'trees', 'dense'] as const
const IDENTICAL = { data: 'identical', weights: 'identical', metrics: 'identical' }
const home = mkdtempSync(join(tmpdir(), 'firn-reproduce-'))
let clock = Date.now()
let lake: Lake
let deps: LakeDeps

beforeAll(async () => {
  await open()
  await ensureTables(deps, TOY)
  await ensureSplitTables(deps)
  // Two files of one day, so that there is something to compact.
  await addRuns({ deps }, toyRows(90, '20260701T020000Z'), 'v_20260701T020000Z')
  await addRuns({ deps }, toyRows(30, '20260702T020000Z'), 'v_incr_20260702T020000Z')
  for (const estimator of ESTIMATORS) {
    await trainVersion(deps, lake.registry, { pipeline: 'toy', model: 'success', estimator })
  }
  await trainVersion(deps, lake.registry, { pipeline: 'toy', model: 'split_success' })
}, 60_000)
afterAll(() => {
  lake.close()
  rmSync(home, { recursive: true, force: true })
})

/** A lake in files, as a process that starts finds it. */
async function open(): Promise<void> {
  lake = await createLakeDeps(readConfig({ FIRN_HOME: home }), { now: () => ++clock })
  deps = { ...lake.deps, pipelines: new Map([['toy', TOY]]) }
}

async function snapshotsOf(table: string): Promise<string[]> {
  const { metadata } = await deps.catalog.loadTable(parseIdentifier(table))
  return metadata.snapshots.map((snapshot) => String(snapshot['snapshot-id']))
}

/** What ends the life of all that is not held: batch tags go, then everything is past its retention. */
async function age(table: string) {
  const identifier = parseIdentifier(table)
  const { metadata } = await deps.catalog.loadTable(identifier)
  const tags = Object.keys(metadata.refs).filter((name) => /^(v|split)_/.test(name))
  await changeRefs({
    ...{ catalog: deps.catalog, now: deps.now, newUuid: deps.newUuid },
    tables: [{ identifier, changes: tags.map((name) => ({ kind: 'drop', name })) }],
  })
  clock += 500 * DAY_MS
  return await maintainTable(deps, table, { dryRun: false })
}

async function compact(table: string) {
  const { catalog, rewriter, now, newUuid, newSnapshotId } = deps
  return await compactTable({
    ...{ catalog, identifier: parseIdentifier(table), rewriter, now, newUuid, newSnapshotId },
    minInputFiles: 2,
  })
}

/** Data files of the table that lie in its folder, whoever names them. */
function dataFiles(): readonly string[] {
  const folder = join(toLocalPath(deps.warehouse), 'toy_features')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.parquet') && statSync(join(folder, path)).isFile(),
  )
}

describe('after more batches, compaction, expiry, removal of orphans and a restart', () => {
  test('every version is identical in all its parts, and what it was trained on is all that is left of the past', async () => {
    const pinned = lake.registry.getVersion({ model: 'success', version: 1 })!.pin.snapshots[RUNS]!
    for (const day of ['03', '04', '05']) {
      const batch = `202607${day}T020000Z`
      await addRuns({ deps }, toyRows(40, batch), `v_incr_${batch}`)
    }
    await deps.catalog.io.createIfAbsent(
      `${deps.warehouse}/toy_features/runs/data/lost.parquet`,
      Buffer.from('x'),
    )
    for (const table of [RUNS, SPLITS]) await keepOneSnapshot(deps.catalog, table)
    expect((await compact(RUNS)).removedFiles).toBe(5)
    const before = await snapshotsOf(RUNS)
    const report = await age(RUNS)
    await age(SPLITS)
    expect(report.orphans).toBeGreaterThan(0)
    expect(report.notes).toContain(
      'kept tag model-success-1-data: a model was trained on it: models:/success/1',
    )
    const left = await snapshotsOf(RUNS)
    expect(left).toHaveLength(2)
    expect(left).toContain(pinned)
    expect(before.length).toBeGreaterThan(left.length)
    expect(dataFiles().join()).not.toContain('lost')

    lake.close()
    await open()
    for (const [at, estimator] of ESTIMATORS.entries()) {
      const result = await reproduceVersion(deps, lake.registry, `models:/success/${at + 1}`)
      const { dataset, trained } = lake.registry.getVersion({ model: 'success', version: at + 1 })!
      expect(result, estimator).toEqual({
        ...{ verdict: 'identical', model: 'success', version: at + 1 },
        data: { verdict: 'identical', reasons: [], digest: dataset.digest, recorded: dataset.digest },
        weights: {
          ...{ verdict: 'identical', reasons: [] },
          ...{ digest: trained.weightsDigest, recorded: trained.weightsDigest },
        },
        metrics: { verdict: 'identical', reasons: [], differences: {} },
      })
    }
    const split = await reproduceVersion(deps, lake.registry, 'models:/split_success/1')
    expect([split.verdict, partsOf(split)]).toEqual(['identical', IDENTICAL])
  }, 120_000)

  test('expiry takes what a version held once that is deleted, and not before', async () => {
    await addRuns({ deps }, toyRows(90, '20260706T020000Z'), 'v_incr_20260706T020000Z')
    const { pin } = await trainVersion(deps, lake.registry, { pipeline: 'toy', model: 'cost' })
    const snapshot = pin.snapshots[RUNS]!
    await addRuns({ deps }, toyRows(10, '20260707T020000Z'), 'v_incr_20260707T020000Z')
    const kept = await age(RUNS)
    expect(kept.notes).toContain('kept tag model-cost-1-data: a model was trained on it: models:/cost/1')
    expect(await snapshotsOf(RUNS)).toContain(snapshot)
    const identifier = parseIdentifier(RUNS)
    const asked = expireSnapshots({
      ...{ catalog: deps.catalog, identifier, nowMs: deps.now() },
      snapshotIds: [toSnapshotId(snapshot)],
    })
    await expect(asked).rejects.toThrow(/model-cost-1-data/)
    await deleteVersion(deps, lake.registry, { model: 'cost', version: 1 })
    await age(RUNS)
    expect(await snapshotsOf(RUNS)).not.toContain(snapshot)
  }, 60_000)

  test('a version whose tag was taken away is unavailable once its snapshot is gone, and says which', async () => {
    await addRuns({ deps }, toyRows(90, '20260708T020000Z'), 'v_incr_20260708T020000Z')
    const version = await trainVersion(deps, lake.registry, { pipeline: 'toy', model: 'cost', seed: 1 })
    const snapshot = version.pin.snapshots[RUNS]!
    const drop = { kind: 'drop', name: modelTag(version) } as const
    await changeRefs({
      ...{ catalog: deps.catalog, now: deps.now, newUuid: deps.newUuid },
      tables: [{ identifier: parseIdentifier(RUNS), changes: [drop] }],
    })
    await addRuns({ deps }, toyRows(10, '20260709T020000Z'), 'v_incr_20260709T020000Z')
    await age(RUNS)
    const result = await reproduceVersion(deps, lake.registry, `models:/cost/${version.version}`)
    expect(partsOf(result)).toEqual({ data: 'unavailable', weights: 'unavailable', metrics: 'unavailable' })
    expect(result.data.reasons).toEqual([
      expect.stringMatching(
        new RegExp(`^${RUNS} no longer has snapshot ${snapshot} of v_incr_20260708T020000Z`),
      ),
    ])
    expect(result.data.digest).toBeNull()
  }, 60_000)
})
