import { randomUUID } from 'node:crypto'
import { assertNever } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import { openFileIO, type FileIOOptions } from '../io/open-file-io.js'
import { fileIOOptions } from '../rest/file-io-options.js'
import type { Catalog } from './catalog.js'
import { HadoopCatalog } from './hadoop.js'
import { MemoryCatalog } from './memory.js'
import { openRestCatalog, type RestCatalogOptions } from './rest.js'
import { openSqliteCatalog, type SqliteCatalogOptions } from './sqlite.js'

/** What all kinds of catalog may be told; each has a default that suits a program of its own. */
export interface CatalogSurroundings {
  /** Default: the local disk and S3, by each location's scheme. */
  readonly io?: FileIO
  /** Of that default. */
  readonly storage?: Omit<FileIOOptions, 'newUuid'>
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: () => number
  readonly newUuid?: () => string
}

type Own<T> = Omit<T, 'io' | 'now' | 'newUuid' | 'openIO'>

/** Which catalog, and where. */
export type CatalogSettings = CatalogSurroundings &
  (
    | ({ readonly kind: 'sqlite' } & Own<SqliteCatalogOptions>)
    | ({ readonly kind: 'rest' } & Own<RestCatalogOptions>)
    /** Read only. */
    | { readonly kind: 'hadoop'; readonly name: string; readonly warehouse: string }
    /** Gone with the process; its files stay where they are. */
    | { readonly kind: 'memory'; readonly name: string; readonly warehouse: string }
  )

/** Opens a catalog of any kind, a SQLite one made where there is none yet; the caller closes it. */
export async function openCatalog(settings: CatalogSettings): Promise<Catalog> {
  const { now = Date.now, newUuid = randomUUID, storage = {} } = settings
  const io = settings.io ?? openFileIO({ ...storage, newUuid })
  switch (settings.kind) {
    case 'sqlite':
      return openSqliteCatalog({ ...settings, io, now, newUuid })
    case 'memory':
      return new MemoryCatalog({ ...settings, io, now, newUuid })
    case 'hadoop':
      return new HadoopCatalog({ ...settings, io })
    case 'rest': {
      const openIO = (properties: Readonly<Record<string, string>>): FileIO =>
        settings.io ?? openFileIO({ ...storage, ...fileIOOptions(properties), newUuid })
      return await openRestCatalog({ ...settings, openIO, now, newUuid })
    }
    default:
      return assertNever(settings)
  }
}
