import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readSample, unpackSample } from '../pipelines/quantum/sample/unpack-sample.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { NightlyResult } from '../schemas/messages.js'
import { TASK_QUEUES } from '../schemas/workflow-names.js'
import { readConfig, type FirnConfig } from '../workers/config.js'
import { connectClient, connectWorker } from '../workers/connection.js'
import { createLakeDeps } from '../workers/create-deps.js'
import { installRuntime } from '../workers/runtime.js'
import { startWorkers } from '../workers/start-worker.js'
import { startDevServer } from '../workers/temporal-server.js'
import { runBareDuckDB } from './bare-duckdb.js'
import { benchRow, timed, type BenchRow } from './bench-row.js'
import { runNight, type Night } from './run-night.js'

const PIPELINE = 'quantum'
const DOCUMENTS_A_BATCH = 10
const PEER = 'bare DuckDB, the same SELECTs to Parquet'

/**
 * The figures of the quantum pipeline: its first batch of 150 runs split into parts, a night of nothing, the same as a
 * workflow, and how a small batch and a night of nothing grow with the history before them.
 */
export async function benchQuantum(options: {
  readonly quick: boolean
  readonly log: (text: string) => void
}): Promise<BenchRow[]> {
  const root = mkdtempSync(join(tmpdir(), 'firn-bench-'))
  try {
    const { rows, night, nothing } = await firstBatch(join(root, 'first'), options.log)
    rows.push(...(await asWorkflow(join(root, 'workflow'), { night, nothing }, options.log)))
    for (const history of options.quick ? [1, 10] : [1, 10, 100]) {
      options.log(`history of ${history} batches …`)
      rows.push(...(await afterHistory(join(root, `history-${history}`), history)))
    }
    return rows
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** Seconds of a whole night without Temporal, for its overhead. */
interface WithoutTemporal {
  readonly night: number
  readonly nothing: number
}

async function firstBatch(
  home: string,
  log: (text: string) => void,
): Promise<WithoutTemporal & { readonly rows: BenchRow[] }> {
  log('first batch of 150 runs …')
  const from = join(home, 'landing')
  await unpackSample({ folder: from })
  const setUp = await timed(() => createLakeDeps(configOf(home)))
  const lake = setUp.result
  const { deps } = lake
  try {
    const night = await timed(() => runNight(deps, { pipeline: PIPELINE, from, batch: '20260701T020000Z' }))
    const again = await timed(() => runNight(deps, { pipeline: PIPELINE, from, batch: '20260702T020000Z' }))
    const pipeline = deps.pipelines.get(PIPELINE)
    if (pipeline === undefined || night.result.plan.kind !== 'build') {
      throw new Error('the first night built nothing: is the pipeline of the bench there?')
    }
    const order = night.result.plan.groups.flat()
    const bare = await timed(() =>
      runBareDuckDB(pipeline, { files: `${from}/*.json`, out: join(home, 'bare'), order }),
    )
    const { landing, engine, commit } = night.result.times
    const parse = await timed(() =>
      Promise.resolve(readSample().map(({ document }) => JSON.parse(document) as unknown)),
    )
    const rows = [
      benchRow('150 runs: open the lake', setUp.seconds),
      benchRow('150 runs: landing', landing / 1000, 'JSON.parse of the sample', parse.seconds),
      benchRow('150 runs: engine (build and check)', engine / 1000, PEER, bare.seconds),
      benchRow('150 runs: commit', commit / 1000),
      benchRow('150 runs: engine and commit', (engine + commit) / 1000, PEER, bare.seconds),
      benchRow('150 runs: whole night, no workflow', night.seconds, PEER, bare.seconds),
      benchRow('150 runs: whole night, no workflow', night.cpuSeconds, PEER, bare.cpuSeconds, 'CPU s'),
      benchRow('150 runs: nothing new', again.seconds, PEER, bare.seconds),
    ]
    return { rows, night: night.seconds, nothing: again.seconds }
  } finally {
    lake.close()
  }
}

async function asWorkflow(
  home: string,
  without: WithoutTemporal,
  log: (text: string) => void,
): Promise<BenchRow[]> {
  log('the same as a workflow …')
  const from = join(home, 'landing')
  await unpackSample({ folder: from })
  installRuntime({ level: 'error', shutdownSignals: [] })
  const server = await startDevServer()
  const config = { ...configOf(home), temporal: { namespace: 'default', address: server.address } }
  const connection = await connectWorker(config.temporal)
  const client = await connectClient(config.temporal)
  const workers = await startWorkers(config, connection)
  const night = (date: string) =>
    timed(async () => {
      const input = { pipeline: PIPELINE, from, date, maintain: false }
      const start = { taskQueue: TASK_QUEUES.control, workflowId: `night-${date}`, args: [input] }
      return (await client.workflow.execute('nightly', start)) as NightlyResult
    })
  try {
    const first = await night('2026-07-01')
    const nothing = await night('2026-07-02')
    return [
      benchRow('150 runs: whole night as a workflow', first.seconds, 'without Temporal', without.night),
      benchRow('nothing new as a workflow', nothing.seconds, 'without Temporal', without.nothing),
    ]
  } finally {
    await workers.stop()
    await client.connection.close()
    await connection.close()
    await server.stop()
  }
}

/** A small batch and a night of nothing after so many batches; documents are copies under new identities. */
async function afterHistory(home: string, batches: number): Promise<BenchRow[]> {
  const lake = await createLakeDeps(configOf(home))
  const { deps } = lake
  try {
    for (let batch = 0; batch < batches; batch += 1) await nightOfCopies(deps, home, batch)
    const small = await timed(() => nightOfCopies(deps, home, batches))
    const nothing = await timed(() => runNight(deps, nightInput(home, batches, batches + 1)))
    const { landing, engine, commit } = small.result.times
    const parts = `landing ${(landing / 1000).toFixed(2)}, engine ${(engine / 1000).toFixed(2)}, commit ${(commit / 1000).toFixed(2)}`
    return [
      benchRow(`10 runs after ${batches} batches`, small.seconds, parts),
      benchRow(`10 runs after ${batches} batches`, small.cpuSeconds, '', null, 'CPU s'),
      benchRow(`nothing new after ${batches} batches`, nothing.seconds),
    ]
  } finally {
    lake.close()
  }
}

async function nightOfCopies(deps: LakeDeps, home: string, batch: number): Promise<Night> {
  const input = nightInput(home, batch, batch)
  await mkdir(input.from, { recursive: true })
  const sample = readSample()
  for (let i = 0; i < DOCUMENTS_A_BATCH; i += 1) {
    const source = sample[(batch * DOCUMENTS_A_BATCH + i) % sample.length]
    if (source === undefined) continue
    const document = JSON.parse(source.document) as { vqe_result: { initial_data: { seed: number } } }
    document.vqe_result.initial_data.seed = batch * DOCUMENTS_A_BATCH + i
    await writeFile(join(input.from, source.name), JSON.stringify(document))
  }
  return runNight(deps, input)
}

function nightInput(
  home: string,
  folder: number,
  night: number,
): { pipeline: string; from: string; batch: string } {
  const day = new Date(Date.UTC(2026, 0, 1 + night)).toISOString().slice(0, 10).replaceAll('-', '')
  return { pipeline: PIPELINE, from: join(home, 'landing', String(folder)), batch: `${day}T020000Z` }
}

function configOf(home: string): FirnConfig {
  return readConfig({ FIRN_HOME: home }, home)
}
