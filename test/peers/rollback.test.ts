import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localPlace } from '../../lake/backup/backup-place.js'
import { runBackup } from '../../lake/backup/run-backup.js'
import { runRestore } from '../../lake/backup/run-restore.js'
import { planRollback } from '../../lake/rollback/plan-rollback.js'
import { runRollback } from '../../lake/rollback/run-rollback.js'
import { backedVersions } from '../../ml/registry/backed-versions.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { restoreTarget } from '../../workers/restore-target.js'
import { build, labPipeline, land } from '../lake/support/batches.js'
import { testLake, type TestLake } from '../lake/support/lake.js'
import { lakeConfig } from '../support/lake-process.js'
import { PeerProcess, peers, why, type Reader } from './peer-process.js'
import { canonical, firnRows } from './same-rows.js'

/**
 * Goal: a lake that was rolled back, and one that was restored, are lakes like any other to PyIceberg and Spark. Method:
 * the second of two batches is taken back, one of whose tables had no rows before it; then the lake is backed up, lost and
 * restored.
 */
const root = mkdtempSync(join(tmpdir(), 'firn-rollback-peers-'))
const config = lakeConfig(join(root, 'lake'))
const [DAY_1, DAY_2] = ['20260701T020000Z', '20260702T020000Z']
const TABLES = ['results', 'points', 'summaries', 'groups', 'notes', 'runs_ids', 'processing_metadata']
const noPython = peers.python === null
const noSpark = noPython || peers.sparkJars === null
const template = testLake([labPipeline])
let lake: Lake

beforeAll(async () => {
  lake = await createLakeDeps(config)
  const own: TestLake = { ...template, deps: depsOf(lake) }
  await land(own, DAY_1, [{ id: 'a', grp: 'x', values: [1, 2] }])
  await build(own.deps, DAY_1)
  await land(own, DAY_2, [{ id: 'b', grp: 'y', values: [0.5], note: 'hot' }])
  await build(own.deps, DAY_2)
  await runRollback(own.deps, await planRollback(own.deps, { pipeline: 'lab', to: DAY_1 }))
})
afterAll(() => {
  lake.close()
  template.close()
  rmSync(root, { recursive: true, force: true })
})

function depsOf({ deps }: Lake): LakeDeps {
  return { ...deps, pipelines: template.deps.pipelines }
}

async function expectEqualRows(readers: readonly Reader[]): Promise<void> {
  const peer = new PeerProcess(config)
  try {
    for (const name of TABLES) {
      const table = `lab_features.${name}`
      const rows = await firnRows(lake.deps, table)
      expect(rows.length, table).toBe({ notes: 0, points: 2, processing_metadata: 2 }[name] ?? 1)
      for (const reader of readers)
        expect(canonical(await peer.rows(reader, table)), `${reader}: ${table}`).toEqual(rows)
    }
    for (const reader of readers) {
      const at = `rolled_back_v_incr_${DAY_2}`
      expect(await peer.rows(reader, 'lab_features.notes', { at }), `${reader} at ${at}`).toHaveLength(1)
    }
  } finally {
    await peer.close()
  }
}

test.skipIf(noPython)(
  `PyIceberg reads what a rollback left, emptied tables too${why('python')}`,
  async () => {
    await expectEqualRows(noSpark ? ['pyiceberg'] : ['pyiceberg', 'spark'])
  },
)

test.skipIf(noPython)(`PyIceberg reads a restored lake${why('python')}`, async () => {
  const place = localPlace(join(root, 'backup'))
  const { catalogPath, registryPath } = config
  const registry = { path: registryPath, read: backedVersions }
  await runBackup(lake.deps, { catalogPath, registry }, { place, data: true })
  lake.close()
  rmSync(config.home, { recursive: true })
  await runRestore(restoreTarget(config), { place, force: false })
  lake = await createLakeDeps(config)
  await expectEqualRows(['pyiceberg'])
})
