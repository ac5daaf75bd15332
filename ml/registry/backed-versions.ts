import { openModelRegistry } from './model-registry.js'

/** Versions of the registry at a path: `model/version` of those that can be used, and where the artifacts of all are. */
export function backedVersions(path: string): {
  readonly ready: readonly string[]
  readonly artifacts: readonly string[]
} {
  const registry = openModelRegistry({ path })
  try {
    const versions = registry.list()
    return {
      ready: versions
        .filter(({ state }) => state === 'READY')
        .map(({ model, version }) => `${model}/${version}`),
      artifacts: versions.map(({ trained }) => trained.artifactLocation),
    }
  } finally {
    registry.close()
  }
}
