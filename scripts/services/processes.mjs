// Processes that outlive the command that started them, known again by pid and time of birth.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

const LOG_MAX_BYTES = 16 * 1024 * 1024
const TAIL_LINES = 25

/** Starts a program in a session of its own, its output at the end of `log`; resolves with what knows it again. */
export async function startProcess({ program, args, cwd, env = {}, log }) {
  if (existsSync(log) && statSync(log).size > LOG_MAX_BYTES) renameSync(log, `${log}.1`)
  const logFrom = existsSync(log) ? statSync(log).size : 0
  const output = openSync(log, 'a', 0o600)
  try {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', output, output],
      detached: true,
    })
    await new Promise((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    child.unref()
    return { pid: child.pid, born: bornAt(child.pid), logFrom }
  } finally {
    closeSync(output)
  }
}

/** False for a pid that belongs to another process by now, and for a dead one that nobody has reaped. */
export function isAlive(known) {
  return known?.born !== undefined && bornAt(known.pid) === known.born
}

/** Asks the process and its children to end, by force after `graceMs`; resolves when it is gone. */
export async function endProcess(known, { graceMs = 10_000, force = false } = {}) {
  if (!force) {
    signalProcess(known, 'SIGTERM')
    // One that is held by SIGSTOP would not hear of it.
    signalProcess(known, 'SIGCONT')
    if (await gone(known, graceMs)) return 'ended'
  }
  signalProcess(known, 'SIGKILL')
  if (await gone(known, 10_000)) return 'killed'
  throw new Error(`process ${known.pid} does not end, not even by force`)
}

/** Sends a signal to the process and its children; nothing where it is gone. */
export function signalProcess(known, signal) {
  if (!isAlive(known)) return
  try {
    process.kill(-known.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

async function gone(known, withinMs) {
  for (let waited = 0; waited <= withinMs; waited += 50) {
    if (!isAlive(known)) {
      endChildren(known)
      return true
    }
    await delay(50)
  }
  return false
}

/** Of a leader that ended just now: its number is not given anew while one of its group is there. */
function endChildren({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // EPERM: all of them are dead and nobody has reaped them.
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error
  }
}

/** Something that no later process with this pid shares; undefined where there is none or it is dead. */
export function bornAt(pid) {
  if (existsSync('/proc/self/stat')) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      // The name, in brackets, may hold spaces and brackets itself.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${bootId()}-${fields[19]}`
    } catch {
      return undefined
    }
  }
  const [state, ...born] = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
    .stdout.trim()
    .split(/\s+/)
  return !state || state.startsWith('Z') ? undefined : born.join(' ')
}

/** Times of birth count from the boot. */
function bootId() {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)
  } catch {
    return ''
  }
}

/** The last lines of a log behind byte `from`. */
export function tailOf(log, from) {
  const text = readFileSync(log).subarray(from).toString().trimEnd()
  return text.slice(-8000).split('\n').slice(-TAIL_LINES).join('\n')
}
