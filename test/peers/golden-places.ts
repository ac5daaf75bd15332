import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lake } from '../../workers/create-deps.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { startCatalogServer } from '../support/catalog-server.js'
import { lakeConfig } from '../support/lake-process.js'
import { PeerProcess, type PeerCatalog } from './peer-process.js'
import { noS3, startS3 } from './support-s3.js'

/** `firn`: SQLite and the local disk; `s3`: SQLite and S3; `rest`: `firn catalog serve` in a process of its own. */
export const PLACE_NAMES = ['firn', 's3', 'rest'] as const
export type PlaceName = (typeof PLACE_NAMES)[number]

/** One lake in each place, and one process of the others that has them all as catalogs of these names. */
export interface Places {
  readonly lakes: Readonly<Partial<Record<PlaceName, Lake>>>
  readonly peer: PeerProcess
  /** A further process of the others, for what is to happen at the same time. */
  newPeer(): PeerProcess
  close(): Promise<void>
}

/** Each place has the namespace `golden`. Without an S3 server there is no `s3`; see `noS3`. */
export async function openPlaces(wanted: readonly PlaceName[] = PLACE_NAMES): Promise<Places> {
  const root = mkdtempSync(join(tmpdir(), 'firn-golden-'))
  const config = lakeConfig(join(root, 'firn'))
  const closing: (() => unknown)[] = [() => rmSync(root, { recursive: true, force: true })]
  const others: Record<string, PeerCatalog> = {}
  const lakes: Partial<Record<PlaceName, Lake>> = {}
  const open = async (name: PlaceName, env: Readonly<Record<string, string>> = {}) => {
    const lake = await createLakeDeps(lakeConfig(join(root, name), { FIRN_CATALOG_NAME: name, ...env }))
    closing.push(() => lake.close())
    lakes[name] = lake
    await lake.deps.catalog.createNamespace('golden')
  }
  await open('firn')
  if (wanted.includes('s3') && noS3() === undefined) {
    const server = await startS3(['lake'], { keepAlive: false })
    closing.push(() => server.stop())
    const { endpoint, accessKeyId: key, secretAccessKey: secret } = server
    const warehouse = 's3://lake/ware house'
    // Credentials come from the environment only.
    Object.assign(process.env, server.env)
    await open('s3', { ...server.env, FIRN_WAREHOUSE: warehouse })
    others['s3'] = { db: join(root, 's3', 'catalog.db'), warehouse, s3: { endpoint, key, secret } }
  }
  if (wanted.includes('rest')) {
    const home = join(root, 'served')
    mkdirSync(home)
    const server = await startCatalogServer(home)
    closing.push(() => server.stop())
    await open('rest', { FIRN_CATALOG_URI: server.uri })
    others['rest'] = { uri: server.uri }
  }
  const newPeer = (): PeerProcess => {
    const peer = new PeerProcess(config, others)
    closing.push(() => peer.close())
    return peer
  }
  return {
    ...{ lakes, newPeer, peer: newPeer() },
    async close() {
      for (const step of closing.reverse()) await step()
    },
  }
}
