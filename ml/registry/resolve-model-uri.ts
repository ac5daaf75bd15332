import { FirnError } from '../../schemas/error.js'
import type { AliasStore } from './alias-store.js'
import type { ModelVersion, VersionStore } from './version-store.js'

/** What names a version, as MLflow's URIs do: `latest` is the newest READY one. */
export type ModelReference = { readonly model: string } & (
  { readonly version: number } | { readonly alias: string } | { readonly latest: true }
)

type Versions = Pick<VersionStore, 'getVersion' | 'findVersion' | 'newestReady' | 'list' | 'listLegacy'>
type Aliases = Pick<AliasStore, 'aliases'>

/**
 * The READY version of `models:/<name>/<version>`, `models:/<name>@<alias>` or `models:/<name>/latest`. Errors: FirnError
 * `invalid-input` (no such form), `not-found`, which says what there is.
 */
export function resolveModelUri(registry: Versions & Aliases, uri: string): ModelVersion {
  return resolveModel(registry, parseModelUri(uri))
}

export function parseModelUri(uri: string): ModelReference {
  const [, model, mark, rest] = /^models:\/([^/@:]+)([/@])([^/@:]+)$/.exec(uri) ?? []
  if (model === undefined || rest === undefined) {
    const isLogged = /^models:\/m-[0-9a-f]+$/.test(uri)
    throw new FirnError(
      'invalid-input',
      `${JSON.stringify(uri)} names no version of a model${isLogged ? ' (it is the URI of a logged model, which Firn has none of)' : ''}: write models:/<name>/<version>, models:/<name>@<alias> or models:/<name>/latest.`,
    )
  }
  if (mark === '@') return { model, alias: rest }
  if (rest.toLowerCase() === 'latest') return { model, latest: true }
  if (/^[1-9]\d{0,8}$/.test(rest)) return { model, version: Number(rest) }
  throw new FirnError(
    'invalid-input',
    `${JSON.stringify(uri)} names no version: ${JSON.stringify(rest)} is no number from 1 on. There are no stages here; an alias is written models:/${model}@${rest}.`,
  )
}

/** The READY version that a reference means; errors as of `resolveModelUri`. */
export function resolveModel(registry: Versions & Aliases, reference: ModelReference): ModelVersion {
  const { model } = reference
  if ('version' in reference) return versionOf(registry, model, reference.version)
  if ('alias' in reference) {
    const aliases = registry.aliases(model)
    const version = aliases.find(({ alias }) => alias === reference.alias)?.version
    if (version !== undefined) return versionOf(registry, model, version)
    const names = aliases.map((known) => `${known.alias} (version ${known.version})`).join(', ')
    throw new FirnError(
      'not-found',
      `model "${model}" has no alias "${reference.alias}". Its aliases: ${names || 'none'}. ${versionsOf(registry, model)}`,
    )
  }
  const newest = registry.newestReady(model)
  if (newest !== undefined) return newest
  throw new FirnError('not-found', `model "${model}" has no READY version. ${versionsOf(registry, model)}`)
}

function versionOf(registry: Versions, model: string, version: number): ModelVersion {
  const ready = registry.getVersion({ model, version })
  if (ready !== undefined) return ready
  const found = registry.findVersion({ model, version })
  const isLegacy = registry.listLegacy(model).some((legacy) => legacy.version === version)
  const why =
    found !== undefined
      ? `version ${version} of model "${model}" is ${found.state}`
      : isLegacy
        ? `version ${version} of model "${model}" is of Firn 0.1, whose models can't be used any more`
        : `model "${model}" has no version ${version}`
  throw new FirnError('not-found', `${why}. ${versionsOf(registry, model)}`)
}

/** Which versions of a model there are, else which models. */
function versionsOf(registry: Versions, model: string): string {
  const ready = registry
    .list(model)
    .filter(({ state }) => state === 'READY')
    .map(({ version }) => version)
  if (ready.length > 0) return `READY versions: ${ready.join(', ')}.`
  if (registry.listLegacy(model).length > 0) return 'Firn 0.1 registered versions of it: train it again.'
  const models = [...new Set(registry.list().map((version) => version.model))]
  return models.length === 0
    ? 'No model is registered yet: `firn train` does it.'
    : `Registered models: ${models.join(', ')}.`
}
