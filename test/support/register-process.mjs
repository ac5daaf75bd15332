// One process of `registry-versions.test.ts`: registers trainings, deletes each third, settles now and then.
import { randomUUID } from 'node:crypto'
import { openSqliteCatalog } from '../../dist/iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../dist/iceberg/io/local.js'
import { openModelRegistry } from '../../dist/ml/registry/model-registry.js'
import { deleteVersion, registerVersion, settleVersions } from '../../dist/ml/registry/register-version.js'

const [directory, count] = process.argv.slice(2)
const options = { now: Date.now, newUuid: randomUUID }
const catalog = openSqliteCatalog({
  path: `${directory}/catalog.db`,
  name: 'firn',
  warehouse: `file://${directory}/warehouse`,
  io: new LocalFileIO(),
  ...options,
})
const deps = { catalog, ...options }
const registry = openModelRegistry({ path: `${directory}/registry.db` })
process.stdout.write('started\n')
for (let seed = 0; seed < Number(count); seed++) {
  const { version } = await insisting(() => registerVersion(deps, registry, training(seed)))
  if (seed % 3 === 0) await deleteVersion(deps, registry, { model: 'm', version })
  if (seed % 4 === 0) await settleVersions(deps, registry)
}
registry.close()
catalog.close()

/** Another process may delete the version while it is registered here. */
async function insisting(register) {
  for (;;) {
    try {
      return await register()
    } catch (error) {
      if (error.kind !== 'training-failed') throw error
    }
  }
}

function training(seed) {
  return {
    pin: { pipeline: 'p', model: 'm', seed, snapshots: { 'f.left': '101', 'f.right': '102' } },
    dataset: { digest: 'd' },
    trained: { weightsDigest: `w${seed}` },
    runId: `run-${seed}`,
    workflow: { workflowId: 'w', runId: 'r' },
  }
}
