import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface MlflowRun {
  readonly run_id: string
  readonly name: string
  readonly status: string
  readonly start_time: number
  readonly end_time: number | null
  readonly params: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  /** [step, value as Python writes it, timestamp], by step. */
  readonly metrics: Readonly<Record<string, readonly (readonly [number, string, number])[]>>
  readonly inputs: readonly MlflowInput[]
}

export interface MlflowInput {
  readonly name: string
  readonly digest: string
  readonly source_type: string
  readonly source: Readonly<Record<string, string>>
  readonly schema: unknown
  readonly profile: Readonly<Record<string, unknown>>
  readonly tags: Readonly<Record<string, string>>
}

export interface MlflowModel {
  readonly aliases: Readonly<Record<string, string>>
  readonly versions: readonly {
    readonly version: string
    readonly source: string
    readonly run_id: string
    readonly status: string
    readonly tags: Readonly<Record<string, string>>
    readonly aliases: readonly string[]
  }[]
}

/** All that a server knows, as MLflow's own Python client reads it. */
export interface MlflowState {
  readonly experiments: Readonly<Record<string, readonly MlflowRun[]>>
  readonly models: Readonly<Record<string, MlflowModel>>
}

/** A process of MLflow's Python client. */
export function startMlflowReader(uri: string): { read(): Promise<MlflowState>; stop(): void } {
  const cache = process.env['FIRN_CACHE'] ?? join(homedir(), '.cache', 'firn')
  const folder = readdirSync(cache).find((name) => name.startsWith('mlflow-'))!
  const child = spawn(
    join(cache, folder, 'bin', 'python'),
    [join(import.meta.dirname, 'mlflow_client.py'), uri],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', PYTHONDONTWRITEBYTECODE: '1' },
    },
  )
  const lines = createInterface({ input: child.stdout })
  return {
    read: () =>
      new Promise((resolve, reject) => {
        const failed = (code: number | null): void => reject(new Error(`the client ended with ${code}`))
        child.once('exit', failed)
        lines.once('line', (line) => {
          child.off('exit', failed)
          resolve(JSON.parse(line) as MlflowState)
        })
        child.stdin.write('read\n')
      }),
    stop() {
      child.kill()
    },
  }
}
