import { runSql } from '../../lake/query/sql.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'

/** What was sent to a topic beside what the lake has of it. */
export interface TopicAccount {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly sent: number
  /** By the ledger. */
  readonly landed: number
  readonly deadLetters: number
  /** Experiments that have rows in the tables. */
  readonly built: number
  /** Offsets that two ledger rows name, and such that none names. */
  readonly offsetsTwice: number
  readonly offsetsMissing: number
  /** Records between the ledger and the ends of the log. */
  readonly lag: number
  readonly exactlyOnce: boolean
  readonly partitions: readonly PartitionAccount[]
}

export interface PartitionAccount {
  readonly partition: number
  /** First offset of the log, and one past its last. */
  readonly logFirst: number
  readonly logEnd: number
  /** One past the last offset in the ledger. */
  readonly landedTo: number
  readonly lag: number
  readonly objects: number
  readonly records: number
}

/** Compares the topic, as the broker has it now, with the ledger and the tables. */
export async function accountForTopic(
  deps: LakeDeps,
  {
    brokers,
    topic,
    sent,
  }: { readonly brokers: readonly string[]; readonly topic: string; readonly sent: number },
): Promise<TopicAccount> {
  const state = await deps.topics?.describe(topic)
  const ledger = new Map((await numbers(deps, LEDGER_SQL)).map((row) => [row['partition'], row]))
  const [tables] = await numbers(
    deps,
    'SELECT count(DISTINCT experiment_id) AS built FROM quantum_features.vqe_results',
  )
  const partitions = (state?.partitions ?? []).map(({ partition, earliest, end }) => {
    const row = ledger.get(partition)
    const landedTo = row?.['landed_to'] ?? earliest
    return {
      partition,
      logFirst: earliest,
      logEnd: end,
      landedTo,
      lag: end - landedTo,
      objects: row?.['objects'] ?? 0,
      records: row?.['records'] ?? 0,
    }
  })
  const total = (key: string): number => [...ledger.values()].reduce((sum, row) => sum + (row[key] ?? 0), 0)
  const counts = {
    sent,
    landed: total('records'),
    deadLetters: total('dead_letters'),
    built: tables?.['built'] ?? 0,
    offsetsTwice: total('twice'),
    offsetsMissing: total('missing'),
    lag: partitions.reduce((sum, { lag }) => sum + lag, 0),
  }
  const exactlyOnce =
    counts.landed === sent &&
    counts.built === sent &&
    counts.deadLetters + counts.offsetsTwice + counts.offsetsMissing + counts.lag === 0
  return { brokers, topic, ...counts, exactlyOnce, partitions }
}

/** Ranges in order: each begins where the one before it ends, or offsets are there twice or not at all. */
const LEDGER_SQL = `
  SELECT partition, max(next_offset) AS landed_to, count(*) AS objects, sum(records) AS records,
    sum(dead_letters) AS dead_letters, sum(greatest(before - first, 0)) AS twice, sum(greatest(first - before, 0)) AS missing
  FROM (SELECT *, coalesce(lag(next_offset) OVER (PARTITION BY incarnation, partition ORDER BY first, next_offset), 0) AS before
        FROM raw.experiments)
  GROUP BY partition ORDER BY partition`

async function numbers(deps: LakeDeps, sql: string): Promise<readonly Readonly<Record<string, number>>[]> {
  const { rows } = await runSql(deps, { sql })
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([column, value]) => [column, Number(value)])),
  )
}
