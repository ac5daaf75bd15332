import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { ifFound } from '../error.js'
import type { Snapshot } from '../spec/snapshot.js'
import { joinLocation } from '../io/location.js'
import { inParallel } from '../io/in-parallel.js'
import type { EqualPrefixes } from './location-parts.js'
import { locationParts } from './location-parts.js'
import { LocationSet } from './location-set.js'
import { eachNamedFile, namedManifests } from './named-files.js'
import { fileName } from './reachable-files.js'
import { statisticsOf } from './unneeded-files.js'

export interface NeededFilesOptions extends EqualPrefixes {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  /** Folder that is looked through: tables with files in it count too. */
  readonly root: string
  /** Locations that something outside the metadata names, e.g. live staging leases. */
  readonly spare: () => Promise<Iterable<string>>
}

/**
 * `other-prefix`: the path is needed, but under another scheme or authority. `same-name`: a needed file of another folder
 * has this very name, which no two writers draw; the folder may be a link.
 */
export type Need = 'needed' | 'other-prefix' | 'same-name' | 'none'

const READS_AT_ONCE = 16
/** A name with a UUID, or a snapshot's id and attempt, is drawn once. */
const UNIQUE_NAME = /[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}/i

/**
 * The files that a table, and others with files in the same folder, need in any snapshot. It only ever grows: `refresh`
 * reads what is new since and no manifest twice. Memory: some 50 bytes a file.
 */
export class NeededFiles {
  readonly #options: NeededFilesOptions
  readonly #locations = new LocationSet()
  readonly #paths = new LocationSet()
  readonly #names = new LocationSet()
  /** Manifest lists and manifests whose contents are in. */
  readonly #read = new Set<string>()
  /** Metadata that is in whole. */
  readonly #metadata = new Set<string>()
  /** Tables that have no file here. */
  readonly #elsewhere = new Set<string>()

  constructor(options: NeededFilesOptions) {
    this.#options = options
  }

  /** Leases come before metadata: a publish commits first and drops its leases then, so one of the two shows its files. */
  async refresh(): Promise<void> {
    const { catalog, identifier, spare } = this.#options
    for (const location of await spare()) this.#add(location)
    const table = await catalog.loadTable(identifier)
    await this.#addTable(table)
    for (const neighbour of await this.#neighbours(table)) await this.#addTable(neighbour)
  }

  need(location: string): Need {
    const { prefix, path } = locationParts(location, this.#options)
    if (this.#locations.has(`${prefix}${path}`)) return 'needed'
    if (this.#paths.has(path)) return 'other-prefix'
    const name = fileName(location)
    return UNIQUE_NAME.test(name) && this.#names.has(name) ? 'same-name' : 'none'
  }

  #add(location: string): void {
    const { prefix, path } = locationParts(location, this.#options)
    this.#locations.add(`${prefix}${path}`)
    this.#paths.add(path)
    this.#names.add(fileName(location))
  }

  async #addTable({ metadata, metadataLocation }: LoadedTable): Promise<void> {
    const { io } = this.#options.catalog
    if (this.#metadata.has(metadataLocation)) return
    const lists: string[] = []
    const unread = new Map<string, boolean>()
    const isNew = ({ 'manifest-list': list }: Snapshot): boolean =>
      list === undefined || !this.#read.has(list)
    await inParallel(metadata.snapshots.filter(isNew), READS_AT_ONCE, async (snapshot) => {
      for (const { manifestPath, mayHaveLive } of await namedManifests(io, snapshot))
        if (!this.#read.has(manifestPath)) unread.set(manifestPath, mayHaveLive)
      if (snapshot['manifest-list'] !== undefined) lists.push(snapshot['manifest-list'])
    })
    await inParallel([...unread], READS_AT_ONCE, async ([manifestPath, mayHaveLive]) => {
      this.#add(manifestPath)
      if (mayHaveLive)
        await eachNamedFile(io, manifestPath, (file) => file.isLive && this.#add(file.location))
      this.#read.add(manifestPath)
    })
    // Only now: what a list names is in.
    for (const list of lists) {
      this.#add(list)
      this.#read.add(list)
    }
    this.#add(metadataLocation)
    this.#add(joinLocation(metadata.location, 'metadata', 'version-hint.text'))
    for (const entry of metadata['metadata-log']) this.#add(entry['metadata-file'])
    for (const file of statisticsOf(metadata)) this.#add(file['statistics-path'])
    this.#metadata.add(metadataLocation)
  }

  /** Other tables of the catalog whose folders lie in this one's, around it or are the same. */
  async #neighbours(table: LoadedTable): Promise<readonly LoadedTable[]> {
    const { catalog, root } = this.#options
    const own = [...this.#rootsOf(table), this.#folder(root)]
    const neighbours: LoadedTable[] = []
    for (const namespace of await catalog.listNamespaces()) {
      for (const identifier of await catalog.listTables(namespace)) {
        const name = formatIdentifier(identifier)
        if (name === formatIdentifier(table.identifier) || this.#elsewhere.has(name)) continue
        const other = await ifFound(catalog.loadTable(identifier))
        if (other === undefined) continue
        const isHere = this.#rootsOf(other).some((a) => own.some((b) => a.startsWith(b) || b.startsWith(a)))
        if (isHere) neighbours.push(other)
        else this.#elsewhere.add(name)
      }
    }
    return neighbours
  }

  #rootsOf({ metadata: { location, properties } }: LoadedTable): readonly string[] {
    const paths = Object.entries(properties).filter(([key]) => /^write\..*path$/.test(key))
    return [location, ...paths.map(([, path]) => path)].map((root) => this.#folder(root))
  }

  #folder(location: string): string {
    const { prefix, path } = locationParts(location, this.#options)
    return `${prefix}${path.replace(/\/+$/, '')}/`
  }
}
