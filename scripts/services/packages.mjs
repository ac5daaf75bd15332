// What services are made of: programs on PATH, and downloads that are kept in the cache and made once.
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'

/** Ends the command with this message and nothing else; anything else thrown is a fault of ours. */
export class ServiceError extends Error {}

export const cacheDir = resolve(process.env.FIRN_CACHE || join(homedir(), '.cache', 'firn'))

/** Where a program on PATH lies; undefined: it is not there. */
export function onPath(program) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find(isProgram)
}

export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * `<cache>/<name>`, filled by `fill(folder)` where it is not there yet. Filled beside it and renamed: half a download
 * is never taken for a whole one, and two processes that fetch at once don't meet.
 */
export async function fetched(name, fill) {
  const target = join(cacheDir, name)
  if (existsSync(target)) return target
  mkdirSync(dirname(target), { recursive: true })
  const folder = mkdtempSync(`${target}-`)
  try {
    await fill(folder)
    if (!existsSync(target)) renameSync(folder, target)
  } catch (error) {
    if (!existsSync(target)) throw error
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return target
}

/** Runs a program to its end and gives what it wrote to stdout; throws with the last lines of both streams. */
export function run(program, args, { env = {}, cwd, timeoutMs = 900_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    let out = ''
    let tail = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => (tail = (tail + chunk).slice(-2000)))
    child.on('error', (error) =>
      reject(new ServiceError(`${program} could not be started: ${error.message}`)),
    )
    child.on('close', (code, signal) =>
      code === 0
        ? resolve(out)
        : reject(new ServiceError(`${program} ended with ${code ?? signal}:\n${tail.trim()}`)),
    )
  })
}
