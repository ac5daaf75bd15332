// MLflow's tracking server and registry in a Python environment of its own.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDir, fetched, onPath, run } from './packages.mjs'

const VERSION = '3.14.0'
const NAME = `mlflow-${VERSION}`

export const mlflow = {
  title: `MLflow ${VERSION}`,
  ports: ['http'],
  secrets: () => ({}),
  lacking: () =>
    existsSync(join(cacheDir, NAME)) || onPath('python3') !== undefined
      ? undefined
      : 'MLflow runs in Python, and there is no `python3` on PATH: install Python 3.10 or newer',
  isFetched: () => existsSync(join(cacheDir, NAME)),
  fetch: fetchPackage,
  prepare: ({ dir }) => mkdirSync(join(dir, 'data'), { recursive: true }),
  command: ({ dir, ports }) => ({
    program: join(cacheDir, NAME, 'bin', 'python'),
    args: [
      ...['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(ports.http), '--workers', '1'],
      ...['--backend-store-uri', 'sqlite:///data/mlflow.db', '--artifacts-destination', 'data/artifacts'],
    ],
    cwd: dir,
    // Without its job runner, which takes ten processes more.
    env: { MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false', MLFLOW_DISABLE_TELEMETRY: 'true' },
  }),
  ready: async ({ ports }) => {
    const answer = await fetch(`http://127.0.0.1:${ports.http}/health`, {
      signal: AbortSignal.timeout(3000),
    })
    if (!answer.ok) throw new Error(`/health answers ${answer.status}`)
  },
  readyWithinMs: 240_000,
  graceMs: 10_000,
  environment: ({ ports }) => ({ MLFLOW_TRACKING_URI: `http://127.0.0.1:${ports.http}` }),
}

async function fetchPackage(say) {
  await fetched(NAME, async (folder) => {
    say(`fetching MLflow ${VERSION} with pip, some minutes …`)
    await run('python3', ['-m', 'venv', folder])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `mlflow==${VERSION}`]
    await run(join(folder, 'bin', 'python'), pip)
  })
}
