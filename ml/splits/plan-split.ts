import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Fractions, SplitDefinition, SplitName } from '../../schemas/feature-definitions.js'

/** A row of the label view that is to be assigned. */
export interface SplitRow {
  /** JSON array of the join keys' values. */
  readonly entity: string
  /** µs since 1970. */
  readonly timeUs: bigint
  /** Null where the label view has no group, or the row none. */
  readonly group: string | null
  /** The label as text. */
  readonly label: string
}

export interface AssignedRow extends SplitRow {
  readonly split: SplitName
  /** Class that the row's entity was counted in; null where the method is not `stratified`. */
  readonly stratum: string | null
}

/** What a stratified version has assigned before: it goes on from there. */
export interface AssignedBefore {
  readonly entities: ReadonlyMap<string, { readonly split: SplitName; readonly stratum: string | null }>
  /** Entities by class and split. */
  readonly counts: ReadonlyMap<string, Readonly<Record<SplitName, number>>>
}

export interface SplitPlan {
  readonly version: string
  readonly definition: Pick<SplitDefinition, 'method' | 'seed'>
  /** Rows that have no split yet, in any order. */
  readonly rows: readonly SplitRow[]
  readonly before: AssignedBefore
}

export const SPLIT_NAMES: readonly SplitName[] = ['train', 'val', 'test']

/** Nothing was assigned yet. */
export const NONE_BEFORE: AssignedBefore = { entities: new Map(), counts: new Map() }

/**
 * A split for each row, in the order of the rows.
 *
 * `hash`: a pure function of seed, version and the entity's keys (or the group; a row without one goes by its entity), so
 * no row ever moves, whatever is added. `time`: of the observation time. `stratified`: an entity keeps the split that it
 * has; new ones are taken class by class (the class of their earliest row, among equal times the least), in the order of
 * their hashes, and each goes to the split that is furthest behind its share of the class (train before val before test).
 * So each class has its shares to within one entity, and the result does not depend on the order of the rows.
 */
export function planSplit(plan: SplitPlan): readonly AssignedRow[] {
  const { method } = plan.definition
  switch (method.kind) {
    case 'time': {
      const [val, test] = [method.valFrom, method.testFrom].map((text) => BigInt(Date.parse(text)) * 1000n)
      return plan.rows.map((row) => ({
        ...row,
        split: byTime(row.timeUs, val ?? 0n, test ?? 0n),
        stratum: null,
      }))
    }
    case 'hash': {
      const shares = thresholds(method.fractions)
      return plan.rows.map((row) => {
        // A text of two parts: a group called as an entity is not that entity.
        const key = method.by === 'group' && row.group !== null ? ['group', row.group] : row.entity
        return { ...row, split: shares(unitHash(plan, key)), stratum: null }
      })
    }
    case 'stratified':
      return inOneGo(stratify(plan, method.fractions))
  }
}

/**
 * `planSplit` of a stratified version, for plans of a million rows: other work of the process gets its turn every few
 * thousand rows, so that whoever waits for a sign of life gets one.
 */
export async function planStratified(plan: SplitPlan, fractions: Fractions): Promise<readonly AssignedRow[]> {
  const steps = stratify(plan, fractions)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    await setImmediate()
  }
}

function inOneGo<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Rows between two steps. */
const STEP_ROWS = 5000

function byTime(timeUs: bigint, valFrom: bigint, testFrom: bigint): SplitName {
  if (timeUs < valFrom) return 'train'
  return timeUs < testFrom ? 'val' : 'test'
}

/** In [0, 1): 48 bits of SHA-256 over [seed, version, key]. */
function unitHash({ definition, version }: SplitPlan, key: string | readonly string[]): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([definition.seed, version, key]))
    .digest()
  return digest.readUIntBE(0, 6) / 2 ** 48
}

function thresholds(fractions: Fractions): (at: number) => SplitName {
  const used = SPLIT_NAMES.filter((name) => fractions[name] > 0)
  const last = used.at(-1) ?? 'train'
  return (at) => {
    let end = 0
    for (const name of used) {
      end += fractions[name]
      if (at < end) return name
    }
    // Shares that add up to a little less than 1 leave nobody out.
    return last
  }
}

/** Steps are places to stop and go on at; what comes out does not depend on them. */
function* stratify(plan: SplitPlan, fractions: Fractions): Generator<void, readonly AssignedRow[]> {
  const { entities, counts } = plan.before
  const assigned = new Map(entities)
  const taken = new Map<string, Record<SplitName, number>>()
  for (const [at, { entity, label: stratum }] of (yield* newEntities(plan)).entries()) {
    const count = taken.get(stratum) ?? { train: 0, val: 0, test: 0, ...counts.get(stratum) }
    taken.set(stratum, count)
    const split = furthestBehind(fractions, count)
    count[split] += 1
    assigned.set(entity, { split, stratum })
    if (at % STEP_ROWS === 0) yield
  }
  const rows: AssignedRow[] = []
  for (const row of plan.rows) {
    const { split, stratum } = assigned.get(row.entity) ?? { split: 'train', stratum: row.label }
    rows.push({ ...row, split, stratum })
    if (rows.length % STEP_ROWS === 0) yield
  }
  return rows
}

/** In the order of their hashes, each with the class that it counts in. */
function* newEntities(plan: SplitPlan): Generator<void, readonly Pick<SplitRow, 'entity' | 'label'>[]> {
  const earliest = new Map<string, SplitRow>()
  for (const [at, row] of plan.rows.entries()) {
    if (at % STEP_ROWS === 0) yield
    if (plan.before.entities.has(row.entity)) continue
    const other = earliest.get(row.entity)
    if (other === undefined || isBefore(row, other)) earliest.set(row.entity, row)
  }
  const hashed: { readonly entity: string; readonly label: string; readonly hash: number }[] = []
  for (const { entity, label } of earliest.values()) {
    hashed.push({ entity, label, hash: unitHash(plan, entity) })
    if (hashed.length % STEP_ROWS === 0) yield
  }
  return hashed.sort((a, b) => a.hash - b.hash || (a.entity < b.entity ? -1 : 1))
}

function isBefore(row: SplitRow, other: SplitRow): boolean {
  return row.timeUs === other.timeUs ? row.label < other.label : row.timeUs < other.timeUs
}

function furthestBehind(fractions: Fractions, count: Readonly<Record<SplitName, number>>): SplitName {
  const next = count.train + count.val + count.test + 1
  const behind = (name: SplitName): number => fractions[name] * next - count[name]
  return SPLIT_NAMES.filter((name) => fractions[name] > 0).reduce((best, name) =>
    // A hair apart is what rounding makes of a tie.
    behind(name) > behind(best) + 1e-9 ? name : best,
  )
}
