import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { FetchedLanding, LandingPlan, TopicLandingPlan } from '../../schemas/messages.js'
import { MAX_CAUSES } from './landing-writer.js'
import { inOrder } from './ledger-advance.js'
import { MAX_UNDECLARED } from './record-contract.js'
import type { LandedRange, StagedLanding } from './staged-landing.js'
import { readStagedLanding } from './staged-landing.js'

/** From so many records on, a landing without a single good one is taken for a misconfiguration. */
const TELLING_RECORDS = { files: 3, topic: 20 } as const

/** What all slices of a plan staged, as one landing in the order of its offsets, gaps included. */
export async function collectStaged(
  deps: LakeDeps,
  plan: LandingPlan,
  fetched: readonly FetchedLanding[],
): Promise<StagedLanding> {
  const slices = await Promise.all(
    fetched.map(async ({ stagedLocation }) => {
      const staged = await readStagedLanding(deps.catalog.io, stagedLocation, deps.now())
      if (staged !== undefined) return staged
      throw new FirnError(
        'stage-expired',
        `files staged at ${stagedLocation} are gone, or their lease is over; fetch the landing again`,
      )
    }),
  )
  const sum = (count: (slice: StagedLanding) => number): number =>
    slices.reduce((total, slice) => total + count(slice), 0)
  const gaps = plan.kind === 'topic' ? gapRanges(plan) : []
  const kinds: Record<string, number> = {}
  for (const [kind, count] of slices.flatMap((slice) => Object.entries(slice.deadLetterKinds))) {
    kinds[kind] = (kinds[kind] ?? 0) + count
  }
  return {
    ranges: inOrder([...gaps, ...slices.flatMap((slice) => slice.ranges)]),
    objects: sum((slice) => slice.objects),
    records: sum((slice) => slice.records),
    deadLetters: sum((slice) => slice.deadLetters),
    bytes: sum((slice) => slice.bytes),
    deadLetterFiles: slices.flatMap((slice) => slice.deadLetterFiles),
    deadLetterKinds: kinds,
    causes: slices.flatMap((slice) => slice.causes).slice(0, MAX_CAUSES),
    undeclared: [...new Set(slices.flatMap((slice) => slice.undeclared))].slice(0, MAX_UNDECLARED),
  }
}

/** A landing of bad records only says more of the contract, or of the source, than of the records. */
export async function refuseAllBad(
  deps: LakeDeps,
  plan: LandingPlan,
  { records, deadLetters, causes }: StagedLanding,
  fetched: readonly FetchedLanding[],
): Promise<void> {
  const isTelling = deadLetters >= TELLING_RECORDS[plan.kind ?? 'files']
  if (records > 0 || !isTelling || plan.accept?.includes('all-bad') === true) return
  // What is staged goes: once the cause is mended the records are read anew.
  const { io } = deps.catalog
  for (const { stagedLocation } of fetched) await io.delete(stagedLocation)
  if (plan.kind !== 'topic' && plan.planLocation !== undefined) await io.delete(plan.planLocation)
  const where = plan.kind === 'topic' ? `topic ${plan.topic}` : plan.from
  throw new FirnError(
    'contract-broken',
    `all ${deadLetters} records in ${where} break the contract of source ${plan.source}, so nothing was landed. ` +
      `Check that this is the right source and that the declared schema fits; if they are bad indeed, answer ` +
      `\`--accept all-bad\` and they go to the dead letters. First causes: ${causes.join('; ')}`,
    { context: { source: plan.source, from: where, records: deadLetters, accept: 'all-bad' } },
  )
}

function gapRanges({ incarnation, gaps }: TopicLandingPlan): readonly LandedRange[] {
  return gaps.map(({ partition, first, end, reason }) => ({
    path: `gap:${reason}`,
    incarnation,
    partition,
    first,
    nextOffset: end,
    ...{ records: 0, deadLetters: 0, bytes: 0, sha256: '' },
  }))
}
