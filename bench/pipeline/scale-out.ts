import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { readSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { benchRow, type BenchRow } from '../bench-row.js'
import { execute, PIPELINE, withWorkers, type PipelineBench } from './bench-server.js'

const BATCH = '20260701T020000Z'
/** Seconds of the activities of a run by name: of each the longest stretch, begun to ended, and their sum. */
interface Spent {
  readonly stretch: number
  readonly sum: number
}

/**
 * One large batch over 1, 2 and 4 processes of one DuckDB thread each, which stand for machines, beside the same batch
 * that is not in parts. With fewer cores than processes nothing more is to be gained.
 */
export async function benchScaleOut(bench: PipelineBench): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  let single = 0
  for (const [workers, inParts] of [
    [1, false],
    [1, true],
    [2, true],
    [4, true],
  ] as const) {
    bench.log(`a large batch, ${workers} workers${inParts ? ', in parts' : ''} …`)
    const home = join(bench.home, `${workers}-${inParts}`)
    const settings = { FIRN_THREADS: '1', FIRN_PART_MB: inParts ? '8' : '100000' }
    const spent = await withWorkers(
      { ...bench, home },
      ['control'],
      async ({ deps }, client) => {
        await landCopies(deps, home, bench.quick ? 1 : 4)
        const processes = Array.from({ length: workers }, () => startProcess(bench.address, home, settings))
        try {
          const input = { pipeline: PIPELINE, batch: BATCH }
          const { handle } = await execute(client, 'buildFeatures', `scale-${workers}-${inParts}`, input)
          return spentBy((await handle.fetchHistory()).events ?? [])
        } finally {
          for (const one of processes) one.kill('SIGKILL')
          await Promise.all(processes.map((one) => once(one, 'exit')))
        }
      },
      settings,
    )
    const parts = spent.get('buildPart')?.stretch ?? 0
    const rest = ['mergeParts', 'buildTables'].reduce((sum, name) => sum + (spent.get(name)?.sum ?? 0), 0)
    if (!inParts) single = rest
    const name = inParts
      ? `build in parts, ${workers} worker${workers > 1 ? 's' : ''}`
      : 'build whole, 1 worker'
    rows.push(benchRow(name, parts + rest, 'whole, 1 worker', inParts ? single : null))
    if (inParts) rows.push(benchRow(`${name}: what one worker does alone`, rest))
  }
  return rows
}

/** Landings of about 30 MB, each under identities of its own. */
async function landCopies(deps: LakeDeps, home: string, copies: number): Promise<void> {
  for (let copy = 0; copy < copies; copy += 1) {
    const from = join(home, 'documents', String(copy))
    await mkdir(from, { recursive: true })
    for (const { name, document } of readSample()) {
      const run = JSON.parse(document) as { vqe_result: { initial_data: { seed: number } } }
      run.vqe_result.initial_data.seed = copy
      await writeFile(join(from, name), JSON.stringify(run))
    }
    const plan = await planLanding(deps, { pipeline: PIPELINE, from, batch: `2026060${copy + 1}T010000Z` })
    await commitLanding(deps, plan, [await fetchLanding(deps, plan, 0)])
  }
}

function startProcess(address: string, home: string, settings: Readonly<Record<string, string>>) {
  const entry = compiledEntry('workers/worker-main').pathname
  const env = { ...process.env, ...settings, FIRN_HOME: home, TEMPORAL_ADDRESS: address }
  return spawn(process.execPath, [entry, '--queues', 'data'], { env, stdio: 'ignore' })
}

type Events = NonNullable<
  Awaited<ReturnType<Awaited<ReturnType<typeof execute>>['handle']['fetchHistory']>>['events']
>

function spentBy(events: Events): ReadonlyMap<string, Spent> {
  const names = new Map<string, string>()
  const begun = new Map<string, number>()
  const times = new Map<string, { first: number; last: number; sum: number; stretch: number }>()
  for (const event of events) {
    const { activityTaskScheduledEventAttributes: scheduled, activityTaskStartedEventAttributes: started } =
      event
    const completed = event.activityTaskCompletedEventAttributes
    const at = Number(event.eventTime?.seconds ?? 0) + (event.eventTime?.nanos ?? 0) / 1e9
    const id = String(scheduled ? event.eventId : (started ?? completed)?.scheduledEventId)
    if (scheduled) names.set(id, scheduled.activityType?.name ?? '')
    if (started) begun.set(id, at)
    if (!completed) continue
    const name = names.get(id) ?? ''
    const from = begun.get(id) ?? at
    const known = times.get(name)
    // Activities of one name that overlap are one stretch; those after a pause begin another.
    const overlaps = known !== undefined && from < known.last
    const first = overlaps ? Math.min(known.first, from) : from
    const before =
      known === undefined ? 0 : overlaps ? known.stretch - (known.last - known.first) : known.stretch
    const last = overlaps ? Math.max(known.last, at) : at
    times.set(name, { first, last, sum: (known?.sum ?? 0) + at - from, stretch: before + last - first })
  }
  return new Map([...times].map(([name, { stretch, sum }]) => [name, { stretch, sum }]))
}
