import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FileIO, FileStatus } from '../../iceberg/io/file-io.js'
import { toLocalPath } from '../../iceberg/io/location.js'

/** Files are as old as the soak's clock says, not the machine's: they were written when they were first seen. */
export class DatedFiles {
  private readonly seenAtMs = new Map<string, number>()

  constructor(
    private readonly folder: string,
    private readonly nowMs: () => number,
  ) {}

  /** To be called before time goes on. */
  see(): void {
    for (const entry of readdirSync(this.folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) this.bornAt(join(entry.parentPath, entry.name))
  }

  around(io: FileIO): FileIO {
    const dated = (file: FileStatus): FileStatus => ({
      ...file,
      modifiedMs: this.bornAt(toLocalPath(file.location)),
    })
    return {
      read: (location, range) => io.read(location, range),
      write: (location, bytes) => io.write(location, bytes),
      createIfAbsent: (location, bytes) => io.createIfAbsent(location, bytes),
      upload: (path, location) => io.upload(path, location),
      stat: async (location) => dated(await io.stat(location)),
      list: async function* (prefix, after) {
        for await (const file of io.list(prefix, after)) yield dated(file)
      },
      delete: async (location) => {
        await io.delete(location)
        this.seenAtMs.delete(toLocalPath(location))
      },
    }
  }

  private bornAt(path: string): number {
    const known = this.seenAtMs.get(path)
    if (known !== undefined) return known
    const now = this.nowMs()
    this.seenAtMs.set(path, now)
    return now
  }
}
