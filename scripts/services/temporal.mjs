// Temporal's dev server with its UI: on PATH, where `npm run setup` puts it, or compiled by Go.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ServiceError, cacheDir, isProgram, onPath, run } from './packages.mjs'

/** Pinned: newer releases carry a `replace` in go.mod and cannot be installed by `go install`. */
const CLI = 'github.com/temporalio/cli/cmd/temporal@v1.5.1'
const SEARCH_ATTRIBUTES = ['FirnPipeline', 'FirnBatch', 'FirnStage', 'FirnStatus']

export const temporal = {
  title: "Temporal's dev server",
  ports: ['frontend', 'ui', 'http', 'metrics'],
  secrets: () => ({}),
  lacking: () =>
    installed() === undefined && onPath('go') === undefined
      ? 'there is no Temporal CLI and no `go` to compile it: install one of them (https://docs.temporal.io/cli), or run `npm run setup`, which also tries to download it'
      : undefined,
  isFetched: () => installed() !== undefined,
  fetch: fetchCli,
  prepare: ({ dir }) => mkdirSync(join(dir, 'data'), { recursive: true }),
  command,
  ready: async ({ ports }) => {
    const address = `127.0.0.1:${ports.frontend}`
    const args = ['operator', 'cluster', 'health', '--address', address, '--command-timeout', '3s']
    await run(installed(), args, { timeoutMs: 10_000 })
  },
  graceMs: 10_000,
  environment: ({ ports }) => ({ TEMPORAL_ADDRESS: `127.0.0.1:${ports.frontend}` }),
}

function installed() {
  const given = process.env.FIRN_TEMPORAL_BIN
  if (given && !isProgram(given))
    throw new ServiceError(
      `FIRN_TEMPORAL_BIN names ${given}, which is no program that can be run: correct or unset it.`,
    )
  return (
    given || [onPath('temporal'), join(cacheDir, 'bin', 'temporal')].find((path) => path && isProgram(path))
  )
}

async function fetchCli(say) {
  if (installed() !== undefined) return
  say('compiling the Temporal CLI with Go, about 3 minutes …')
  await run('go', ['install', CLI], { env: { GOBIN: join(cacheDir, 'bin'), GOFLAGS: '-buildvcs=false' } })
}

function command({ dir, ports }) {
  return {
    program: installed(),
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'warn', '--log-format', 'json'],
      ...['--port', String(ports.frontend), '--ui-port', String(ports.ui)],
      ...['--http-port', String(ports.http), '--metrics-port', String(ports.metrics)],
      ...['--db-filename', join('data', 'temporal.db')],
      ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    cwd: dir,
  }
}
