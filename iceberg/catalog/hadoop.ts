import { IcebergError, ifFound } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import { joinLocation } from '../io/location.js'
import { parseTableMetadata } from '../spec/metadata-json.js'
import type { Catalog, LoadedTable, Properties, TableIdentifier } from './catalog.js'
import { formatIdentifier } from './catalog.js'
import { checkIdentifier, checkNamespace } from './name.js'

/** Where a catalog in the Hadoop layout lies. */
export interface HadoopCatalogOptions {
  readonly name: string
  /** The folder that holds a folder for each namespace, with one for each of its tables. */
  readonly warehouse: string
  readonly io: FileIO
}

/**
 * Tables in the layout of Java's HadoopCatalog: `<namespace>/<table>/metadata/v<N>.metadata.json`, the highest N current.
 * Read only, since no file system but HDFS makes its commits safe: every change throws `unsupported`. Listing namespaces or
 * tables lists all files of the warehouse. Namespaces without tables are not seen.
 */
export class HadoopCatalog implements Catalog {
  readonly name: string
  readonly io: FileIO
  readonly #warehouse: string

  constructor({ name, warehouse, io }: HadoopCatalogOptions) {
    this.name = name
    this.io = io
    this.#warehouse = warehouse.replace(/\/+$/, '')
  }

  async listNamespaces(parent?: string): Promise<readonly string[]> {
    const namespaces = new Set<string>()
    for (const { namespace } of await this.#tables(parent ?? '')) {
      const levels = namespace.split('.')
      levels.forEach((_, at) => namespaces.add(levels.slice(0, at + 1).join('.')))
    }
    const depth = parent === undefined ? undefined : parent === '' ? 1 : parent.split('.').length + 1
    const start = parent === undefined || parent === '' ? '' : `${parent}.`
    return [...namespaces]
      .filter(
        (found) => found.startsWith(start) && (depth === undefined || found.split('.').length === depth),
      )
      .sort()
  }

  async loadNamespace(namespace: string): Promise<Properties> {
    checkNamespace(namespace)
    if ((await this.#tables(namespace)).length > 0) return {}
    throw new IcebergError(
      'not-found',
      `there is no namespace ${namespace} with tables in ${this.#warehouse}`,
      {
        context: { namespace },
      },
    )
  }

  async listTables(namespace: string): Promise<readonly TableIdentifier[]> {
    await this.loadNamespace(namespace)
    return (await this.#tables(namespace)).filter((table) => table.namespace === namespace)
  }

  async loadTable(identifier: TableIdentifier): Promise<LoadedTable> {
    checkIdentifier(identifier)
    const folder = joinLocation(
      this.#warehouse,
      ...identifier.namespace.split('.'),
      identifier.name,
      'metadata',
    )
    const metadataLocation = (await this.#newest(folder)) ?? (await this.#hinted(folder))
    if (metadataLocation !== undefined) {
      return {
        identifier,
        metadataLocation,
        metadata: parseTableMetadata(await this.io.read(metadataLocation)),
      }
    }
    const table = formatIdentifier(identifier)
    throw new IcebergError('not-found', `there is no table ${table}: ${folder} holds no v<N>.metadata.json`, {
      context: { table },
    })
  }

  /** Each by itself: files name no moment that holds for several tables. */
  async loadTables(identifiers: readonly TableIdentifier[]): Promise<readonly LoadedTable[]> {
    return await Promise.all(identifiers.map((identifier) => this.loadTable(identifier)))
  }

  createNamespace(): Promise<never> {
    return readOnly('create a namespace')
  }

  updateNamespace(): Promise<never> {
    return readOnly('change a namespace')
  }

  dropNamespace(): Promise<never> {
    return readOnly('drop a namespace')
  }

  createTable(): Promise<never> {
    return readOnly('create a table')
  }

  registerTable(): Promise<never> {
    return readOnly('register a table')
  }

  commit(): Promise<never> {
    return readOnly('commit')
  }

  renameTable(): Promise<never> {
    return readOnly('rename a table')
  }

  dropTable(): Promise<never> {
    return readOnly('drop a table')
  }

  close(): void {
    // Holds nothing open.
  }

  /** One listing of all names that start with `v`, which are few however many manifests there are. */
  async #newest(folder: string): Promise<string | undefined> {
    let newest: { readonly version: number; readonly location: string } | undefined
    for await (const { location } of this.io.list(`${folder}/v`)) {
      const version = versionOf(location.slice(folder.length + 1))
      if (version !== undefined && version > (newest?.version ?? -1)) newest = { version, location }
    }
    return newest?.location
  }

  /** Some writers name their files otherwise and put the name into the hint. */
  async #hinted(folder: string): Promise<string | undefined> {
    const hint = await ifFound(this.io.read(joinLocation(folder, 'version-hint.text')))
    const name = hint === undefined ? '' : new TextDecoder().decode(hint).trim()
    if (!/^[\w.-]+$/.test(name)) return undefined
    const location = joinLocation(folder, name.endsWith('.json') ? name : `${name}.metadata.json`)
    return (await ifFound(this.io.stat(location)))?.location
  }

  async #tables(parent: string): Promise<readonly TableIdentifier[]> {
    const root = joinLocation(this.#warehouse, ...(parent === '' ? [] : parent.split('.')), '')
    const found = new Map<string, TableIdentifier>()
    for await (const { location } of this.io.list(root)) {
      const parts = location.slice(this.#warehouse.length + 1).split('/')
      const file = parts.pop() ?? ''
      if (parts.pop() !== 'metadata' || (versionOf(file) === undefined && file !== 'version-hint.text'))
        continue
      const name = parts.pop()
      // A dotted folder can't be said in a dotted name, and a table at the root is in no namespace.
      if (name === undefined || parts.length === 0 || parts.some((level) => level.includes('.'))) continue
      const identifier = { namespace: parts.join('.'), name }
      found.set(formatIdentifier(identifier), identifier)
    }
    return [...found.values()].sort((left, right) =>
      formatIdentifier(left) < formatIdentifier(right) ? -1 : 1,
    )
  }
}

/** `v12.metadata.json`, compressed `v12.gz.metadata.json` or, as of old, `v12.metadata.json.gz` → 12 */
function versionOf(file: string): number | undefined {
  const version = /^v(\d+)(?:\.gz)?\.metadata\.json(?:\.gz)?$/.exec(file)?.[1]
  return version === undefined ? undefined : Number(version)
}

function readOnly(what: string): Promise<never> {
  return Promise.reject(
    new IcebergError(
      'unsupported',
      `can't ${what}: a hadoop catalog is read only here; take its tables over with registerTable of another catalog, by their metadataLocation`,
    ),
  )
}
