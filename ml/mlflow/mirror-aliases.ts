import { FirnError } from '../../schemas/error.js'
import type { AliasStore } from '../registry/alias-store.js'
import type { MirrorStore } from '../registry/mirror-store.js'
import type { RunStore } from '../registry/run-store.js'
import type { VersionKey, VersionStore } from '../registry/version-store.js'
import { mirrorVersion } from './mirror-version.js'
import type { JsonObject, MlflowClient } from './mlflow-client.js'
import { unlessMissing } from './remote-run.js'
import { withLease } from './with-lease.js'

type Aliases = Pick<AliasStore, 'aliases' | 'aliasHistory'> &
  Pick<VersionStore, 'findVersion' | 'list'> &
  Pick<RunStore, 'getRun' | 'metricHistory'> &
  MirrorStore

/**
 * Makes a model's aliases at MLflow what they are here: sets them, with the versions that they name, and deletes those that
 * were deleted here. Aliases that were never ours stay. Errors: as `mirrorRun`.
 */
export async function mirrorAliases(client: MlflowClient, registry: Aliases, model: string): Promise<void> {
  for (const { version } of registry.aliases(model)) await mirrorVersion(client, registry, { model, version })
  await client.insist(() =>
    withLease(client, registry, `model ${model}`, async (leased) => {
      const history = registry.aliasHistory(model)
      const there = await remoteAliases(leased, model)
      // The last change of an alias says what it is.
      for (const [alias, version] of new Map(history.map((change) => [change.alias, change.version]))) {
        const known = there.get(alias)
        if (version === null) {
          if (known !== undefined)
            await leased.send('DELETE', 'registered-models/alias', { name: model, alias })
          continue
        }
        const remote = remoteVersion(client, registry, { model, version })
        if (known !== remote)
          await leased.send('POST', 'registered-models/alias', { name: model, alias, version: remote })
      }
      const revision = history.at(-1)?.sequence ?? 0
      registry.markMirrored(client.target, { kind: 'aliases', model }, { revision, remoteId: model })
    }),
  )
}

function remoteVersion(client: MlflowClient, registry: MirrorStore, key: VersionKey): string {
  const known = registry.mirrored(client.target, { kind: 'version', ...key })
  if (known !== undefined) return known.remoteId
  throw new FirnError(
    'io',
    `an alias of model "${key.model}" was given to version ${key.version} while MLflow was told of its aliases. It is tried again later.`,
  )
}

async function remoteAliases(client: MlflowClient, name: string): Promise<ReadonlyMap<string, string>> {
  const answer = await unlessMissing(client.send('GET', 'registered-models/get', { name }))
  const model = (answer?.['registered_model'] ?? {}) as JsonObject
  const aliases = (model['aliases'] ?? []) as readonly { alias: string; version: string }[]
  return new Map(aliases.map(({ alias, version }) => [alias, version]))
}
