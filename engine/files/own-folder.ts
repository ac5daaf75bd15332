import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isRunning } from '../running-process.js'

/** Folders of processes on other machines are taken for dead after so long without a change. */
const FOREIGN_MS = 7 * 86_400_000

const NAME = /^(.*)-(\d+)-[0-9a-f]+$/

/** Makes a folder that no other process has, and removes those of processes that died. */
export async function ownFolder(options: {
  readonly directory: string
  readonly newUuid: () => string
}): Promise<string> {
  const processes = join(options.directory, 'processes')
  const unique = options.newUuid().replaceAll('-', '').slice(0, 12)
  const own = join(processes, `${hostname()}-${process.pid}-${unique}`)
  await mkdir(own, { recursive: true })
  for (const name of await readdir(processes)) {
    const folder = join(processes, name)
    if (await isDead(name, folder)) await rm(folder, { recursive: true, force: true })
  }
  return own
}

async function isDead(name: string, folder: string): Promise<boolean> {
  const [, host, pid] = NAME.exec(name) ?? []
  if (host === undefined) return false
  if (host === hostname()) return !isRunning(Number(pid))
  const changed = await stat(folder).catch(() => undefined)
  return changed !== undefined && Date.now() - changed.mtimeMs > FOREIGN_MS
}
