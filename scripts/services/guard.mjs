// A process that ends the services of a folder when another process, by whose wish they run, is gone.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bornAt, isAlive, startProcess } from './processes.mjs'
import { readState, withLock, writeState } from './state.mjs'
import { stopServices } from './stop.mjs'

/** One for a folder: who starts more of its services is watched by the first. */
export async function watch(dir, state, pid) {
  if (isAlive(state.guard)) return
  const command = fileURLToPath(new URL('../services.mjs', import.meta.url))
  state.guard = await startProcess({
    program: process.execPath,
    args: [command, 'guard', '--dir', dir, '--while-pid', pid],
    cwd: dir,
    log: join(dir, 'guard.log'),
  })
  writeState(dir, state)
}

/** However the watched process ends, also by force, the services must not stay. */
export async function guard({ dir, say, values }) {
  const pid = Number(values['while-pid'])
  const watched = { pid, born: bornAt(pid) }
  while (isAlive(watched)) {
    await delay(500)
    if (!existsSync(join(dir, 'services.json'))) return
  }
  await withLock(dir, say, async () => {
    const state = readState(dir)
    delete state.guard
    await stopServices({ dir, state, names: Object.keys(state.services), force: true, say })
  })
}
