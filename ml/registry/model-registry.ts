import { createDefinitionHistory, type DefinitionHistory } from '../views/definition-history.js'
import { createAliasStore, type AliasStore } from './alias-store.js'
import { createMirrorStore, type MirrorStore } from './mirror-store.js'
import { openRegistryDatabase, type RegistryDatabase } from './open-registry-database.js'
import { createRunStore, type RunStore } from './run-store.js'
import { createVersionStore, type VersionStore } from './version-store.js'

/** Runs, versions of models, their aliases, what tracking servers were told of them, and the history of definitions. */
export interface ModelRegistry extends RunStore, VersionStore, AliasStore, MirrorStore, DefinitionHistory {
  close(): void
}

/** Opens the registry's database, made with its folder where there is none. Local disks only. */
export function openModelRegistry(options: { readonly path: string }): ModelRegistry {
  return createModelRegistry(openRegistryDatabase(options))
}

/** The registry in a database that is open; `close` closes the database. */
export function createModelRegistry(database: RegistryDatabase): ModelRegistry {
  return {
    ...createRunStore(database),
    ...createVersionStore(database),
    ...createAliasStore(database),
    ...createMirrorStore(database),
    ...createDefinitionHistory(database),
    close() {
      database.close()
    },
  }
}
