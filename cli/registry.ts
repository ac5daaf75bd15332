import { existsSync } from 'node:fs'
import type { ModelRegistry } from '../ml/registry/model-registry.js'
import { readConfig } from '../workers/config.js'

/** Opens the registry alone. Where there is none yet, `use` is not called and `absent` is the answer; nothing is made. */
export async function withRegistry<T>(
  use: (registry: ModelRegistry) => Promise<T> | T,
  absent: () => T,
): Promise<T> {
  const { registryPath } = readConfig()
  if (!existsSync(registryPath)) return absent()
  const { openModelRegistry } = await import('../ml/registry/model-registry.js')
  const registry = openModelRegistry({ path: registryPath })
  try {
    return await use(registry)
  } finally {
    registry.close()
  }
}
