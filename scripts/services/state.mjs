// What is known of a folder of services: ports, keys, settings and processes, in services.json, for its owner only.
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { bornAt, isAlive } from './processes.mjs'
import { ServiceError } from './packages.mjs'

/** Below the ports that systems give to outgoing connections: those could take the port of a stopped service. */
const PORTS = [20_000, 32_000]
const FREE_LOOKS = 50
const FREE_PAUSE_MS = 200

/** `{services: {<name>: {from, ports, secrets, options, process?}}}`; empty where none was started here. */
export function readState(dir) {
  const path = join(dir, 'services.json')
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return { services: {} }
    throw new ServiceError(
      `${path} can't be read (${error.message}): end its services by hand and remove the folder.`,
    )
  }
}

export function writeState(dir, state) {
  const path = join(dir, 'services.json')
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** Runs `work` while no other command changes this folder; the lock of a process that died counts for nothing. */
export async function withLock(dir, say, work) {
  mkdirSync(dir, { recursive: true })
  chmodSync(dir, 0o700)
  const lock = join(dir, 'lock')
  const self = join(dir, `lock-${process.pid}`)
  writeFileSync(self, JSON.stringify({ pid: process.pid, born: bornAt(process.pid) }))
  for (let tries = 0; ; tries += 1) {
    try {
      // A link is there with its content or not at all.
      linkSync(self, lock)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const holder = readLock(lock)
    if (holder === 'dead') rmSync(lock, { force: true })
    else {
      if (tries === 20) say(`waiting for process ${holder?.pid ?? ''} which works on ${dir} …`)
      await delay(100)
    }
  }
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
    rmSync(self, { force: true })
  }
}

/** Its holder, `dead`, or undefined where it was just given back. */
function readLock(lock) {
  try {
    const holder = JSON.parse(readFileSync(lock, 'utf8'))
    return isAlive(holder) ? holder : 'dead'
  } catch {
    return undefined
  }
}

/** Ports that are free on loopback now, one for each name. */
export async function choosePorts(names) {
  const ports = {}
  for (const name of names) {
    let port
    do port = randomInt(...PORTS)
    while (Object.values(ports).includes(port) || !(await isFree(port)))
    ports[name] = port
  }
  return ports
}

/** The sockets of a program that was killed are there for a moment longer. */
export async function isSoonFree(port) {
  for (let looks = 0; looks < FREE_LOOKS; looks++) {
    if (await isFree(port)) return true
    await delay(FREE_PAUSE_MS)
  }
  return false
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
