import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { localPlace } from '../../lake/backup/backup-place.js'
import { runBackup } from '../../lake/backup/run-backup.js'
import { runRestore } from '../../lake/backup/run-restore.js'
import { ensureSplitTables, ensureTables } from '../../lake/tables/ensure-tables.js'
import { backedVersions } from '../../ml/registry/backed-versions.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { restoreTarget } from '../../workers/restore-target.js'
import { partsOf, reproduceVersion, trainVersion } from '../ml/support/reproduce.js'
import { addRuns, TOY, toyRows } from '../ml/support/toy-lake.js'
import { lakeConfig } from '../support/lake-process.js'

const root = mkdtempSync(join(tmpdir(), 'firn-backup-models-'))
const config = lakeConfig(join(root, 'lake'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const depsOf = ({ deps }: Lake) => ({ ...deps, pipelines: new Map([[TOY.name, TOY]]) })

it(
  'models of a restored lake are READY, and are made again to the last bit',
  { timeout: 120_000 },
  async () => {
    const place = localPlace(join(root, 'backup'))
    const lake = await createLakeDeps(config)
    const deps = depsOf(lake)
    await ensureTables(deps, TOY)
    await ensureSplitTables(deps)
    await addRuns({ deps }, toyRows(90, '20260701T020000Z'), 'v_20260701T020000Z')
    const model = { pipeline: 'toy', model: 'success' }
    await trainVersion(deps, lake.registry, model)
    const { catalogPath, registryPath } = config
    const registry = { path: registryPath, read: backedVersions }
    await runBackup(deps, { catalogPath, registry }, { place, data: true })
    // What came later is lost, and the next version gets its number.
    await trainVersion(deps, lake.registry, { ...model, seed: 7 })
    lake.close()
    rmSync(config.home, { recursive: true })

    await runRestore(restoreTarget(config), { place, force: false })
    const restored = await createLakeDeps(config)
    try {
      expect(restored.registry.list('success').map(({ version, state }) => [version, state])).toEqual([
        [1, 'READY'],
      ])
      const again = await reproduceVersion(depsOf(restored), restored.registry, 'models:/success/1')
      expect(partsOf(again)).toEqual({ data: 'identical', weights: 'identical', metrics: 'identical' })
      expect(await trainVersion(depsOf(restored), restored.registry, { ...model, seed: 7 })).toMatchObject({
        version: 2,
      })
    } finally {
      restored.close()
    }
  },
)
