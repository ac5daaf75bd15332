import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { isRunning } from '../running-process.js'

const BEAT_MS = 5_000
/** A lock that was not refreshed for so long is a dead one's. */
const STALE_MS = 20_000
const POLL_MS = 50

/**
 * Does the work while this process holds the lock file; where another one has it, waits for its end and does nothing.
 * It only saves double work: where a lock is taken for dead wrongly, both do it, each into files of its own.
 */
export async function withDownloadLock(path: string, work: () => Promise<void>): Promise<void> {
  if (!(await take(path))) {
    await waitForEnd(path)
    return
  }
  const beat = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => undefined)
  }, BEAT_MS)
  beat.unref()
  try {
    await work()
  } finally {
    clearInterval(beat)
    await rm(path, { force: true })
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid} ${hostname()}`, { flag: 'wx' })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

async function waitForEnd(path: string): Promise<void> {
  while (await isHeld(path)) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}

async function isHeld(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => undefined)
  if (status === undefined) return false
  const owner = await readFile(path, 'utf8').catch(() => '')
  const [, pid, host] = /^(\d+) (.*)$/.exec(owner) ?? []
  const isDead = host === hostname() && !isRunning(Number(pid))
  if (!isDead && Date.now() - status.mtimeMs < STALE_MS) return true
  await rm(path, { force: true })
  return false
}
