import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { runSql } from '../../lake/query/sql.js'
import { readLedger } from '../../lake/land/ledger.js'
import { ledgerIdentifier } from '../../schemas/lake-tables.js'
import { type Rig, SOURCE } from './rig.js'
import { isBad, TOPIC } from './traffic.js'

export interface Verdict {
  readonly lost: number
  readonly doubled: number
  readonly deadLetters: number
  readonly deadLettersExpected: number
  /** In words, at most twenty. */
  readonly problems: readonly string[]
}

/** Holds what the ledger names against what an ordinary consumer reads from the topic. */
export async function judge(rig: Rig): Promise<Verdict> {
  const sent = await consumeAll(rig)
  const good = new Set<string>()
  const bad = new Set<string>()
  for (const [name, value] of sent) (isBad(value) ? bad : good).add(name)
  const problems: string[] = []
  const landed = await landedRecords(rig, sent, problems)
  const letters = await deadLetters(rig)
  const lost = [...good].filter((name) => !landed.has(name))
  const strange = [...landed.keys()].filter((name) => !good.has(name))
  const doubled = [...landed].filter(([, times]) => times > 1).map(([name]) => name)
  const lettersDoubled = [...letters].filter(([, times]) => times > 1).map(([name]) => name)
  const lettersLost = [...bad].filter((name) => !letters.has(name))
  const lettersStrange = [...letters.keys()].filter((name) => !bad.has(name))
  const tell = (what: string, names: readonly string[]): void => {
    if (names.length > 0) problems.push(`${names.length} ${what}, such as ${names.slice(0, 3).join(', ')}`)
  }
  tell('records are lost', lost)
  tell('records are landed that nobody may see', strange)
  tell('records are doubled', doubled)
  tell('dead letters are lost', lettersLost)
  tell('dead letters are doubled', lettersDoubled)
  tell('dead letters are none', lettersStrange)
  return {
    lost: lost.length + lettersLost.length,
    doubled: doubled.length + strange.length + lettersDoubled.length + lettersStrange.length,
    deadLetters: [...letters.values()].reduce((sum, times) => sum + times, 0),
    deadLettersExpected: bad.size,
    problems: problems.slice(0, 20),
  }
}

/** Every committed message as an independent consumer sees it, by `partition/offset`. */
async function consumeAll({ kafka }: Rig): Promise<ReadonlyMap<string, string>> {
  const admin = kafka.admin()
  await admin.connect()
  const ends = new Map(
    (await admin.fetchTopicOffsets(TOPIC)).map(({ partition, high }) => [partition, Number(high)]),
  )
  await admin.disconnect()
  const found = new Map<string, string>()
  const reached = new Set([...ends].filter(([, end]) => end === 0).map(([partition]) => partition))
  const consumer = kafka.consumer({ groupId: `judge-${Date.now()}` })
  await consumer.connect()
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachBatch: ({ batch }) => {
          for (const { offset, value } of batch.messages) {
            found.set(`${batch.partition}/${offset}`, value?.toString() ?? '')
          }
          const last = Number(batch.lastOffset()) + 1
          if (last >= (ends.get(batch.partition) ?? 0)) reached.add(batch.partition)
          if (reached.size === ends.size) resolve()
          return Promise.resolve()
        },
      })
      .catch(reject)
  })
  await consumer.disconnect()
  return found
}

/** How often each record is in an object that the ledger names; the ledger's own sums are checked on the way. */
async function landedRecords(
  { lake }: Rig,
  sent: ReadonlyMap<string, string>,
  problems: string[],
): Promise<ReadonlyMap<string, number>> {
  const ledger = await lake.deps.catalog.loadTable(ledgerIdentifier(SOURCE))
  const rows = await readLedger(lake.deps, ledger, { rowFrom: 0, rowEnd: Number.MAX_SAFE_INTEGER })
  const numbers = new Set(rows.map(({ rowNumber }) => rowNumber))
  if (numbers.size !== rows.length) problems.push('row numbers of the ledger are doubled')
  const next = new Map<number, number>()
  for (const row of [...rows].sort((a, b) => a.partition - b.partition || a.first - b.first)) {
    const due = next.get(row.partition) ?? 0
    if (row.first !== due) {
      problems.push(`partition ${row.partition} goes on at offset ${row.first} instead of ${due}`)
    }
    next.set(row.partition, row.nextOffset)
  }
  const landed = new Map<string, number>()
  for (const row of rows.filter(({ records }) => records > 0)) {
    const bytes = await lake.deps.catalog.io.read(row.path)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    if (sha256 !== row.sha256) problems.push(`${row.path} has another SHA-256 than the ledger says`)
    const lines = gunzipSync(bytes).toString().trimEnd().split('\n')
    if (lines.length !== row.records)
      problems.push(`${row.path} has ${lines.length} records, not ${row.records}`)
    for (const line of lines) {
      const { partition, offset, payload } = JSON.parse(line) as {
        partition: number
        offset: number
        payload: string
      }
      const name = `${partition}/${offset}`
      landed.set(name, (landed.get(name) ?? 0) + 1)
      if (sent.get(name) !== payload) problems.push(`${name} has another payload than was sent`)
    }
  }
  return landed
}

async function deadLetters({ lake }: Rig): Promise<ReadonlyMap<string, number>> {
  const { rows } = await runSql(lake.deps, {
    sql: `SELECT partition, "offset" AS at, count(*) AS times FROM raw.dead_letters WHERE source = '${SOURCE}' GROUP BY ALL`,
    limit: 1_000_000,
  })
  return new Map(
    rows.map((row) => [`${Number(row['partition'])}/${Number(row['at'])}`, Number(row['times'])]),
  )
}
