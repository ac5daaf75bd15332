import { createHash } from 'node:crypto'
import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ModelRegistry } from '../registry/model-registry.js'
import type { ModelVersion, VersionKey } from '../registry/version-store.js'
import { reproduceScript } from './reproduce-script.js'
import { traceOrigin, type LineageDeps } from './trace-version.js'

type FileDeps = LineageDeps & Pick<LakeDeps, 'warehouse'>
type Runs = Pick<ModelRegistry, 'getRun' | 'logArtifact'>

const LINEAGE = 'lineage/complete_lineage.json'
const SCRIPT = 'lineage/reproduce.sh'

/**
 * Writes where a version comes from, and a script that makes it again, and logs both as artifacts of its run. What was
 * written first stays: a second call finds it.
 */
export async function writeLineageFiles(deps: FileDeps, runs: Runs, version: ModelVersion): Promise<void> {
  if (hasFiles(runs, version)) return
  const origin = await traceOrigin(deps, version)
  const texts = { [LINEAGE]: `${JSON.stringify(origin, null, 2)}\n`, [SCRIPT]: reproduceScript(origin) }
  for (const [path, text] of Object.entries(texts)) {
    const location = locationOf(deps, version, path)
    const bytes = await keepFirst(deps, location, Buffer.from(text))
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    if (runs.getRun(version.runId) !== undefined)
      runs.logArtifact(version.runId, { path, location, sha256, sizeBytes: bytes.length })
  }
}

/** Writes those that a crash kept back between a version's READY and its files. Returns whose they were. */
export async function writeMissingLineage(
  deps: FileDeps,
  registry: Runs & Pick<ModelRegistry, 'list'>,
): Promise<readonly VersionKey[]> {
  const missing = registry
    .list()
    .filter(
      (version) =>
        version.state === 'READY' &&
        registry.getRun(version.runId) !== undefined &&
        !hasFiles(registry, version),
    )
  for (const version of missing) await writeLineageFiles(deps, registry, version)
  return missing.map(({ model, version }) => ({ model, version }))
}

function hasFiles(runs: Runs, { runId, model, version }: ModelVersion): boolean {
  const logged = runs.getRun(runId)?.artifacts ?? []
  return [LINEAGE, SCRIPT].every((path) =>
    logged.some(
      (artifact) => artifact.path === path && artifact.location.includes(folderOf({ model, version })),
    ),
  )
}

/** The run's id is in it: numbers are given again where a registry was lost. */
function locationOf(deps: FileDeps, version: ModelVersion, path: string): string {
  return joinLocation(deps.warehouse, ...folderOf(version).split('/'), version.runId, ...path.split('/'))
}

function folderOf({ model, version }: VersionKey): string {
  return `ml/models/${model}/versions/${version}`
}

/** What is there once it was written, by whomever. */
async function keepFirst(
  { catalog }: Pick<LakeDeps, 'catalog'>,
  location: string,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  return (await tryCreate(catalog.io, location, bytes)) ? bytes : await catalog.io.read(location)
}
