import { openRestCatalog, type RestCatalogOptions } from '../../iceberg/catalog/rest.js'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { FencedFileIO } from '../../server/catalog/fenced-file-io.js'
import { listen } from '../../server/catalog/listen.js'
import { MemoryAnswerLog } from '../../server/catalog/memory-answer-log.js'
import type { FileIO } from '../../iceberg/io/file-io.js'

export interface Served {
  readonly uri: string
  /** The server with its own catalog; clients close themselves. */
  close(): Promise<void>
}

/** Firn's REST server over a catalog on this machine. */
export async function serveCatalog(
  open: (io: FileIO) => Catalog,
  { io, warehouse }: { readonly io: FileIO; readonly warehouse: string },
): Promise<Served> {
  const fence = { roots: [warehouse] }
  const catalog = open(new FencedFileIO(io, fence))
  const clock = { now: () => Date.now(), newUuid: () => crypto.randomUUID() }
  const server = await listen({
    ...clock,
    catalog,
    warehouse,
    fence,
    answers: new MemoryAnswerLog(),
    port: 0,
  })
  return {
    uri: server.uri,
    async close() {
      await server.close()
      catalog.close()
    },
  }
}

/** A client whose storage is `io`, whatever the server says. */
export function openClient(
  uri: string,
  io: FileIO,
  options: Partial<RestCatalogOptions> = {},
): Promise<Catalog> {
  return openRestCatalog({
    name: 'firn',
    uri,
    openIO: () => io,
    now: () => Date.now(),
    newUuid: () => crypto.randomUUID(),
    sleep: () => Promise.resolve(),
    ...options,
  })
}
