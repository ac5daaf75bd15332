import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { isS3Location } from '../iceberg/io/s3-location.js'
import { localPlace, storePlace, type BackupPlace } from '../lake/backup/backup-place.js'
import type { FirnConfig } from './config.js'
import { openStorage } from './open-catalog.js'

/** Opens a folder or a prefix of a bucket as the place of a backup, for as long as `use` runs. */
export async function withBackupPlace<T>(
  config: FirnConfig,
  name: string,
  use: (place: BackupPlace) => Promise<T>,
): Promise<T> {
  if (!isS3Location(name)) return await use(localPlace(resolve(name)))
  const scratch = await mkdtemp(join(tmpdir(), 'firn-backup-'))
  try {
    return await use(storePlace(openStorage(config), name.replace(/\/+$/, ''), scratch))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
