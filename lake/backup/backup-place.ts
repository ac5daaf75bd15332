import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ifFound } from '../../iceberg/error.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { download } from './download.js'

/** Where a backup lies. Names are relative, with `/`. */
export interface BackupPlace {
  /** As people wrote it: a folder or `s3://bucket/prefix`. */
  readonly name: string
  /** A folder of the local disk where files are made before they are taken in. */
  readonly scratch: string
  /** Undefined where there is no such file. */
  sizeOf(name: string): Promise<number | undefined>
  /** Moves a local file in, whole or not at all. */
  take(path: string, name: string): Promise<void>
  /** Hands `use` a file of the backup as one of the local disk, for as long as it runs. Throws `not-found`. */
  withFile<T>(name: string, use: (path: string) => Promise<T>): Promise<T>
  remove(name: string): Promise<void>
}

/** A folder of the local disk; what is made in it is in its place already. */
export function localPlace(folder: string): BackupPlace {
  const pathOf = (name: string): string => join(folder, name)
  return {
    name: folder,
    scratch: folder,
    sizeOf: async (name) => (await stat(pathOf(name)).catch(() => undefined))?.size,
    async take(path, name) {
      await mkdir(dirname(pathOf(name)), { recursive: true })
      await rename(path, pathOf(name))
    },
    withFile: (name, use) => use(pathOf(name)),
    remove: (name) => rm(pathOf(name), { force: true }),
  }
}

/** A prefix of an object store. `scratch` is a folder that nobody else uses; the caller removes it. */
export function storePlace(io: FileIO, prefix: string, scratch: string): BackupPlace {
  const locationOf = (name: string): string => joinLocation(prefix, name)
  return {
    name: prefix,
    scratch,
    sizeOf: async (name) => (await ifFound(io.stat(locationOf(name))))?.sizeBytes,
    async take(path, name) {
      await io.upload(path, locationOf(name))
      await rm(path)
    },
    async withFile(name, use) {
      const path = join(scratch, 'fetched', name)
      const { sizeBytes } = await io.stat(locationOf(name))
      try {
        await download(io, { location: locationOf(name), bytes: sizeBytes }, path)
        return await use(path)
      } finally {
        await rm(path, { force: true })
      }
    },
    remove: (name) => io.delete(locationOf(name)),
  }
}
