import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Flushes written files to disk, and every folder from theirs up to `root`'s parent, which may be new as well. */
export async function flushFiles(paths: readonly string[], root: string): Promise<void> {
  const folders = new Set<string>([dirname(root)])
  for (const path of paths) {
    for (let folder = dirname(path); folder.length >= root.length; folder = dirname(folder))
      folders.add(folder)
  }
  const queue = [...paths]
  const worker = async (): Promise<void> => {
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) await flush(path)
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  for (const folder of folders) await flush(folder)
}

/** Best effort: what stays is an orphan that maintenance finds. */
export async function removeFiles(paths: readonly string[]): Promise<void> {
  await Promise.allSettled(paths.map((path) => rm(path, { force: true })))
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
