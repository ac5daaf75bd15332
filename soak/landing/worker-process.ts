import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { FirnError } from '../../schemas/error.js'

/** The grace of running activities, and some. */
const DRAIN_MS = 90_000

/** A worker as a process of its own, which can be killed, frozen and drained. */
export class WorkerProcess {
  private readonly child: ChildProcess
  private readonly exited: Promise<void>
  private errors = ''

  constructor(env: Readonly<Record<string, string>>) {
    this.child = spawn(process.execPath, [compiledEntry('workers/worker-main').pathname], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.child.stderr?.on(
      'data',
      (text: Buffer) => (this.errors = (this.errors + text.toString()).slice(-4000)),
    )
    this.exited = new Promise((resolve) => this.child.once('exit', () => resolve()))
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The end of what it wrote to stderr. */
  get log(): string {
    return this.errors
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited
  }

  /** Takes no new work and ends when its own is done; that it does not is a failure of the soak. */
  async drain(): Promise<void> {
    this.child.kill('SIGTERM')
    const patience = new AbortController()
    const tooLong = setTimeout(DRAIN_MS, 'too long', { signal: patience.signal }).catch(() => 'ended')
    const how = await Promise.race([this.exited.then(() => 'ended'), tooLong])
    patience.abort()
    if (how === 'ended') return
    await this.kill()
    throw new FirnError('check-failed', `a worker did not end within ${DRAIN_MS / 1000} s of SIGTERM`)
  }

  freeze(): void {
    this.child.kill('SIGSTOP')
  }

  thaw(): void {
    this.child.kill('SIGCONT')
  }
}
