import type { Catalog } from '../../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../../iceberg/io/file-io.js'
import { crashing, type CrashPoint } from '../../../soak/crash-point.js'

export { Crash, CrashPoint } from '../../../soak/crash-point.js'

const EFFECTS = new Set([
  ...['read', 'write', 'createIfAbsent', 'upload', 'stat', 'delete'],
  ...['commit', 'createTable', 'createNamespace'],
])

export function crashingIO(io: FileIO, point: CrashPoint): FileIO {
  return crashing(io, point, EFFECTS)
}

export function crashingCatalog(catalog: Catalog, point: CrashPoint): Catalog {
  return crashing(catalog, point, EFFECTS)
}
