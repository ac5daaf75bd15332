import { IcebergError } from '../error.js'
import type { NamespaceChange, NamespaceUpdate, Properties, TableIdentifier } from './catalog.js'
import { formatIdentifier } from './catalog.js'
import { checkNamespace } from './name.js'
import type { PointerStore } from './pointer-store.js'

/** The namespaces of a pointer store, and what names in it are taken by. */
export class PointerNames {
  readonly #store: PointerStore

  constructor(store: PointerStore) {
    this.#store = store
  }

  async createNamespace(namespace: string, properties: Properties): Promise<void> {
    checkNamespace(namespace)
    const known = await this.listNamespaces()
    if (known.includes(namespace) || !(await this.#store.addNamespace(namespace, properties))) {
      throw new IcebergError('already-exists', `namespace ${namespace} exists already`, {
        context: { namespace },
      })
    }
  }

  async loadNamespace(namespace: string): Promise<Properties> {
    checkNamespace(namespace)
    const properties = await this.#store.namespaceProperties(namespace)
    if (properties !== undefined) return properties
    await this.requireNamespace(namespace)
    return {}
  }

  async updateNamespace(namespace: string, change: NamespaceChange): Promise<NamespaceUpdate> {
    await this.requireNamespace(namespace)
    const both = (change.remove ?? []).filter((key) => Object.hasOwn(change.set ?? {}, key))
    if (both.length > 0) {
      throw new IcebergError(
        'invalid-argument',
        `properties are both set and removed: ${both.join(', ')}; decide for one`,
        { context: { keys: both } },
      )
    }
    return this.#store.updateNamespace(namespace, change)
  }

  async listNamespaces(parent?: string): Promise<readonly string[]> {
    const tables = await this.#store.list()
    const views = (await this.#store.views?.list()) ?? []
    const named = await this.#store.namespaces()
    const held = [...tables, ...views].map((identifier) => identifier.namespace)
    const all = [...new Set([...named, ...held])].sort()
    if (parent === undefined) return all
    const prefix = parent === '' ? '' : `${parent}.`
    const below = all.filter((namespace) => namespace.startsWith(prefix))
    if (parent !== '' && below.length === 0 && !all.includes(parent)) throw noSuchNamespace(parent)
    return [...new Set(below.map((one) => prefix + (one.slice(prefix.length).split('.')[0] ?? '')))]
  }

  async dropNamespace(namespace: string): Promise<void> {
    await this.requireNamespace(namespace)
    const tables = (await this.#store.list(namespace)).length
    const views = (await this.#store.views?.list(namespace))?.length ?? 0
    const namespaces = (await this.listNamespaces(namespace)).length
    if (tables + views + namespaces > 0) {
      throw new IcebergError(
        'not-empty',
        `namespace ${namespace} has ${tables} tables, ${views} views and ${namespaces} namespaces below it; drop them first`,
        { context: { namespace, tables, views, namespaces } },
      )
    }
    await this.#store.removeNamespace(namespace)
  }

  /** A namespace exists where it was made, or where something is in it or below it. */
  async requireNamespace(namespace: string): Promise<void> {
    checkNamespace(namespace)
    if ((await this.#store.namespaceProperties(namespace)) !== undefined) return
    await this.listNamespaces(namespace)
  }

  /** For an error's text: what has a name that was to be free. */
  async taken(identifier: TableIdentifier): Promise<IcebergError> {
    const [view] = (await this.#store.views?.read([identifier])) ?? []
    return alreadyExists(identifier, view === undefined ? 'table' : 'view')
  }
}

export function noSuch(kind: 'table' | 'view', identifier: TableIdentifier): IcebergError {
  const name = formatIdentifier(identifier)
  return new IcebergError('not-found', `there is no ${kind} ${name}`, { context: { [kind]: name } })
}

function alreadyExists(identifier: TableIdentifier, kind: 'table' | 'view'): IcebergError {
  const name = formatIdentifier(identifier)
  return new IcebergError('already-exists', `${kind} ${name} exists already`, { context: { [kind]: name } })
}

function noSuchNamespace(namespace: string): IcebergError {
  return new IcebergError('not-found', `there is no namespace ${namespace}; create it first`, {
    context: { namespace },
  })
}
