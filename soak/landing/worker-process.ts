import { type ChildProcess, spawn } from 'node:child_process'
import { compiledEntry } from '../../engine/compiled-entry.js'

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

  /** Takes no new work and ends when its own is done. */
  async drain(): Promise<void> {
    this.child.kill('SIGTERM')
    await this.exited
  }

  freeze(): void {
    this.child.kill('SIGSTOP')
  }

  thaw(): void {
    this.child.kill('SIGCONT')
  }
}
