import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { Scheduler } from '../faults.js'
import type { Job } from './history.js'
import { historyOf, TABLES } from './history.js'
import { AUDIT, Judge, type Verdict } from './judge.js'
import { Lake } from './lake.js'
import { Random } from '../random.js'
import { runChore } from './run-chore.js'
import { runJob } from './run-job.js'

export interface Outcome extends Verdict {
  readonly seed: number
  readonly operations: number
  readonly faults: number
}

const HOUR_MS = 3_600_000

/** Plays the history of a seed in memory and says what was wrong with it. */
export async function playHistory(seed: number): Promise<Outcome> {
  const { rounds, properties } = historyOf(seed)
  const jobs = rounds.flatMap((round) => round.steps.filter((step): step is Job => step.kind === 'job'))
  const judge = new Judge(jobs)
  const random = new Random(seed + 1)
  const lake = new Lake(new Scheduler(random.below), judge.onSwap)
  judge.attach(lake)
  await lake.createTables([...TABLES, AUDIT].map(identifierOf), properties)
  const finished = new Map<string, string>()
  for (const { steps, hoursAfter } of rounds) {
    const work = steps.map(async (step) => {
      if (step.kind !== 'job') await runChore(lake, step)
      else finished.set(step.id, await runJob(lake, step))
    })
    await lake.scheduler.runUntil(Promise.all(work))
    // Commits that are still on their way arrive before time goes on: no answer is lost for days.
    if (hoursAfter > 0) await lake.scheduler.drain()
    await judge.checkFiles({ rows: false })
    if (judge.verdict.problems.length > 0) break
    lake.nowMs += hoursAfter * HOUR_MS
  }
  await judge.checkFiles({ rows: true })
  judge.checkJobs(finished)
  const operations = rounds.reduce((sum, round) => sum + round.steps.length, 0)
  return { seed, operations, faults: lake.faults, ...judge.verdict }
}

function identifierOf(name: string): TableIdentifier {
  return { namespace: 's', name }
}
