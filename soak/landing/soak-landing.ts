import { setTimeout as delay } from 'node:timers/promises'
import { ifFound } from '../../iceberg/error.js'
import { pendingRecords } from '../../lake/land/await-records.js'
import { lastTopicPositions, nextRowNumber } from '../../lake/land/ledger.js'
import { sourceOf } from '../../lake/land/source-of.js'
import { FirnError } from '../../schemas/error.js'
import { ledgerIdentifier } from '../../schemas/lake-tables.js'
import { Random } from '../random.js'
import { FAULTS, type Fault, pickFault } from './faults.js'
import { judge, type Verdict } from './judge.js'
import { PIPELINE, Rig, SOURCE } from './rig.js'
import { NO_FAULTS } from './s3-proxy.js'
import { Traffic } from './traffic.js'

export interface LandingSoakOptions {
  /** Each with one fault; the first ones take every kind in turn. */
  readonly rounds: number
  /** Sent in all, evenly over the rounds. */
  readonly messages: number
  readonly seed: number
  readonly report: (text: string) => void
}

export interface LandingSoakResult extends Omit<Verdict, 'problems'> {
  readonly rounds: number
  readonly messages: number
  readonly kills: number
}

const WORKERS = 2
/** They are landed before anything is tampered with, so that there is something to tamper with. */
const FIRST_MESSAGES = 200
const ROUND_MS = 2500
/** A broker that was killed is asked again up to so long after; slow machines are given time. */
const SETTLE_MS = 300_000

/** A stream lands a topic while workers, broker, store, Temporal and the ledger itself are tampered with; then it is judged. */
export async function soakLanding(options: LandingSoakOptions): Promise<LandingSoakResult> {
  const { rounds, messages, seed, report } = options
  const random = new Random(seed)
  const rig = await Rig.start(seed)
  try {
    const traffic = new Traffic(rig.kafka, random)
    await traffic.start()
    for (let i = 0; i < WORKERS; i++) rig.addWorker()
    await rig.startStream()
    const first = Math.min(FIRST_MESSAGES, messages)
    await traffic.send(first, 0)
    await settle(rig, report)
    const faults = faultsOf(rounds, random)
    for (const [i, fault] of faults.entries()) {
      report(`round ${i + 1} of ${rounds}: ${fault.name}`)
      const due = (round: number): number => Math.floor(((messages - first) * round) / rounds)
      const count = due(i + 1) - due(i)
      await Promise.all([traffic.send(count, ROUND_MS), fault.run(rig, random)])
    }
    await traffic.stop()
    rig.proxy.set(NO_FAULTS)
    report('everything is sent; waiting until it is landed')
    await settle(rig, report)
    const { problems, ...verdict } = await judge(rig)
    for (const problem of problems) report(`seed ${seed}: ${problem}`)
    if (problems.length > 0 && verdict.lost + verdict.doubled === 0) {
      throw new FirnError('check-failed', `the ledger is not right: ${problems.join('; ')}`)
    }
    return { rounds, messages, kills: rig.kills, ...verdict }
  } finally {
    await rig.stop()
  }
}

/** Every kind once, in a seeded order, before any comes again. */
function faultsOf(rounds: number, random: Random): readonly Fault[] {
  const rest = [...FAULTS]
  return Array.from({ length: rounds }, () => {
    if (rest.length === 0) return pickFault(random)
    return rest.splice(random.below(rest.length), 1)[0] ?? pickFault(random)
  })
}

/** Until the ledger ends where the log does, and stays there. */
async function settle({ lake, workers }: Rig, report: (text: string) => void): Promise<void> {
  const { deps } = lake
  if (deps.topics === undefined) throw new FirnError('config', 'the soak has no broker')
  const source = sourceOf(deps, { pipeline: PIPELINE, source: SOURCE })
  const untilMs = Date.now() + SETTLE_MS
  for (let quiet = 0; quiet < 3;) {
    if (Date.now() > untilMs) {
      const logs = workers.map(({ log }) => log).join('\n')
      throw new FirnError(
        'check-failed',
        `records still wait after ${SETTLE_MS / 1000} s. Workers say:\n${logs}`,
      )
    }
    const ledger = await ifFound(deps.catalog.loadTable(ledgerIdentifier(SOURCE)))
    if (ledger === undefined) {
      await delay(500)
      continue
    }
    const state = await deps.topics.describe(source.definition.topic)
    const records = pendingRecords(state, await lastTopicPositions(deps, ledger))
    const end = await nextRowNumber(deps, ledger)
    const isBack = ledger.metadata.snapshots.every(
      ({ summary }) => Number(summary?.['firn.next-row-number'] ?? 0) <= end,
    )
    quiet = records === 0 && isBack ? quiet + 1 : 0
    if (records > 0) report(`${records} records wait`)
    await delay(1000)
  }
}
