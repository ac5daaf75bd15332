import type { TableIdentifier } from './catalog.js'
import { formatIdentifier } from './catalog.js'
import type { CatalogOptions } from './pointer-catalog.js'
import { PointerCatalog } from './pointer-catalog.js'
import type { Pointer, PointerStore, Properties, Swap } from './pointer-store.js'

/** The in-memory twin of a catalog, with the same promises. */
export class MemoryCatalog extends PointerCatalog {
  constructor(options: CatalogOptions) {
    super(new MemoryPointerStore(), options)
  }
}

export class MemoryPointerStore implements PointerStore {
  readonly #pointers = new Map<string, Pointer>()
  readonly #namespaces = new Map<string, Properties>()

  read(identifiers: readonly TableIdentifier[]): Promise<readonly (string | undefined)[]> {
    return Promise.resolve(
      identifiers.map((identifier) => this.#pointers.get(formatIdentifier(identifier))?.metadataLocation),
    )
  }

  swap(swaps: readonly Swap[]): Promise<boolean> {
    const holds = swaps.every(({ identifier, from }) => {
      const known = this.#pointers.get(formatIdentifier(identifier))?.metadataLocation ?? null
      return known === from
    })
    if (holds) {
      for (const { identifier, to } of swaps) {
        this.#pointers.set(formatIdentifier(identifier), { identifier, metadataLocation: to })
      }
    }
    return Promise.resolve(holds)
  }

  tables(namespace?: string): Promise<readonly TableIdentifier[]> {
    const identifiers = [...this.#pointers.values()].map((pointer) => pointer.identifier)
    const wanted = identifiers.filter((table) => namespace === undefined || table.namespace === namespace)
    return Promise.resolve(wanted.sort((left, right) => (left.name < right.name ? -1 : 1)))
  }

  rename(from: TableIdentifier, to: TableIdentifier): Promise<boolean> {
    const pointer = this.#pointers.get(formatIdentifier(from))
    if (pointer === undefined || this.#pointers.has(formatIdentifier(to))) return Promise.resolve(false)
    this.#pointers.delete(formatIdentifier(from))
    this.#pointers.set(formatIdentifier(to), { ...pointer, identifier: to })
    return Promise.resolve(true)
  }

  remove(identifier: TableIdentifier): Promise<string | undefined> {
    const location = this.#pointers.get(formatIdentifier(identifier))?.metadataLocation
    this.#pointers.delete(formatIdentifier(identifier))
    return Promise.resolve(location)
  }

  namespaces(): Promise<readonly string[]> {
    return Promise.resolve([...this.#namespaces.keys()])
  }

  addNamespace(namespace: string, properties: Properties): Promise<boolean> {
    if (this.#namespaces.has(namespace)) return Promise.resolve(false)
    this.#namespaces.set(namespace, properties)
    return Promise.resolve(true)
  }

  removeNamespace(namespace: string): Promise<void> {
    this.#namespaces.delete(namespace)
    return Promise.resolve()
  }

  close(): void {
    this.#pointers.clear()
  }
}
