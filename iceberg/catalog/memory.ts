import type { NamespaceChange, NamespaceUpdate, Properties, TableIdentifier } from './catalog.js'
import { formatIdentifier } from './catalog.js'
import { applyNamespaceChange } from './namespace-change.js'
import type { CatalogOptions } from './pointer-catalog.js'
import { PointerCatalog } from './pointer-catalog.js'
import type { Pointers, PointerStore, Swap } from './pointer-store.js'

/** The in-memory twin of a catalog, with the same promises. */
export class MemoryCatalog extends PointerCatalog {
  constructor(options: CatalogOptions) {
    super(new MemoryPointerStore(), options)
  }
}

interface Pointer {
  readonly kind: 'table' | 'view'
  readonly identifier: TableIdentifier
  readonly metadataLocation: string
}

type PointerMap = Map<string, Pointer>

class MemoryPointers implements Pointers {
  readonly #kind: Pointer['kind']
  /** Tables and views together: they share their names. */
  readonly #all: PointerMap

  constructor(kind: Pointer['kind'], all: PointerMap) {
    this.#kind = kind
    this.#all = all
  }

  read(identifiers: readonly TableIdentifier[]): Promise<readonly (string | undefined)[]> {
    return Promise.resolve(identifiers.map((identifier) => this.#find(identifier)?.metadataLocation))
  }

  swap(swaps: readonly Swap[]): Promise<boolean> {
    const holds = swaps.every(({ identifier, from }) =>
      from === null
        ? !this.#all.has(formatIdentifier(identifier))
        : this.#find(identifier)?.metadataLocation === from,
    )
    if (holds) {
      for (const { identifier, to } of swaps) {
        const pointer = { kind: this.#kind, identifier, metadataLocation: to }
        this.#all.set(formatIdentifier(identifier), pointer)
      }
    }
    return Promise.resolve(holds)
  }

  list(namespace?: string): Promise<readonly TableIdentifier[]> {
    const identifiers = [...this.#all.values()]
      .filter((pointer) => pointer.kind === this.#kind)
      .map((pointer) => pointer.identifier)
      .filter((identifier) => namespace === undefined || identifier.namespace === namespace)
    return Promise.resolve(identifiers.sort(byNamespaceAndName))
  }

  rename(from: TableIdentifier, to: TableIdentifier): Promise<boolean> {
    const pointer = this.#find(from)
    if (pointer === undefined || this.#all.has(formatIdentifier(to))) return Promise.resolve(false)
    this.#all.delete(formatIdentifier(from))
    this.#all.set(formatIdentifier(to), { ...pointer, identifier: to })
    return Promise.resolve(true)
  }

  remove(identifier: TableIdentifier): Promise<string | undefined> {
    const location = this.#find(identifier)?.metadataLocation
    if (location !== undefined) this.#all.delete(formatIdentifier(identifier))
    return Promise.resolve(location)
  }

  #find(identifier: TableIdentifier): Pointer | undefined {
    const pointer = this.#all.get(formatIdentifier(identifier))
    return pointer?.kind === this.#kind ? pointer : undefined
  }
}

export class MemoryPointerStore extends MemoryPointers implements PointerStore {
  readonly views: Pointers
  readonly #pointers: PointerMap
  readonly #namespaces = new Map<string, Properties>()

  constructor() {
    const pointers: PointerMap = new Map()
    super('table', pointers)
    this.#pointers = pointers
    this.views = new MemoryPointers('view', pointers)
  }

  namespaces(): Promise<readonly string[]> {
    return Promise.resolve([...this.#namespaces.keys()])
  }

  namespaceProperties(namespace: string): Promise<Properties | undefined> {
    return Promise.resolve(this.#namespaces.get(namespace))
  }

  addNamespace(namespace: string, properties: Properties): Promise<boolean> {
    if (this.#namespaces.has(namespace)) return Promise.resolve(false)
    this.#namespaces.set(namespace, properties)
    return Promise.resolve(true)
  }

  updateNamespace(namespace: string, change: NamespaceChange): Promise<NamespaceUpdate> {
    const { properties, update } = applyNamespaceChange(this.#namespaces.get(namespace) ?? {}, change)
    this.#namespaces.set(namespace, properties)
    return Promise.resolve(update)
  }

  removeNamespace(namespace: string): Promise<void> {
    this.#namespaces.delete(namespace)
    return Promise.resolve()
  }

  close(): void {
    this.#pointers.clear()
  }
}

function byNamespaceAndName(left: TableIdentifier, right: TableIdentifier): number {
  if (left.namespace !== right.namespace) return left.namespace < right.namespace ? -1 : 1
  return left.name < right.name ? -1 : 1
}
