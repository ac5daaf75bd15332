import type { EngineSession } from '../../engine/engine.js'
import type { SplitDefinition } from '../../schemas/feature-definitions.js'
import type { SplitCount } from '../../schemas/model-messages.js'
import { SPLIT_NAMES } from './plan-split.js'

/** What of a version lies in more than one split. */
export interface SplitLeaks {
  readonly entities: number
  readonly groups: number
  /** A few of them, in words. */
  readonly examples: readonly string[]
}

/** Of the observations that have a split, per split. */
export interface SplitReport {
  readonly rows: number
  /** Observations without a split: the next extension assigns them. */
  readonly unassigned: number
  readonly splits: Readonly<Record<string, SplitCount>>
  readonly leaks: SplitLeaks
}

const SHOWN = 3

/** Counts of a session that has `labelled` and a relation of assigned rows. */
export async function reportSplit(session: EngineSession, assigned: string): Promise<SplitReport> {
  await session.addRelation({
    ...{ kind: 'query', name: `reported_${assigned}` },
    sql: `SELECT l.*, a.split FROM labelled l LEFT JOIN ${assigned} a
            ON a.entity_key = l.entity_key AND a.event_timestamp = l.event_timestamp`,
  })
  const from = `FROM reported_${assigned}`
  const { rows } = await session.query(
    `SELECT split, class, count(*) AS n ${from} GROUP BY ALL ORDER BY class, split`,
  )
  const splits = new Map<string, { rows: number; classes: Record<string, number> }>()
  let unassigned = 0
  for (const row of rows) {
    const [split, name, count] = [row['split'], row['class'], Number(row['n'])]
    if (typeof split !== 'string') {
      unassigned += count
      continue
    }
    const found = splits.get(split) ?? { rows: 0, classes: {} }
    splits.set(split, found)
    found.rows += count
    if (typeof name === 'string') found.classes[name] = count
  }
  const entities = await inSeveral(session, from, 'entity_key', 'entity')
  const groups = await inSeveral(session, from, 'group_key', 'group')
  return {
    rows: [...splits.values()].reduce((sum, split) => sum + split.rows, 0),
    unassigned,
    splits: Object.fromEntries(
      SPLIT_NAMES.flatMap((name) => {
        const { rows: count, classes } = splits.get(name) ?? { rows: 0, classes: {} }
        if (count === 0) return []
        return [[name, Object.keys(classes).length === 0 ? { rows: count } : { rows: count, classes }]]
      }),
    ),
    leaks: {
      ...{ entities: entities.count, groups: groups.count },
      examples: [...entities.examples, ...groups.examples],
    },
  }
}

/** What a method promises never to lie in two splits. */
export function promised({ method }: Pick<SplitDefinition, 'method'>): 'entities' | 'groups' | undefined {
  if (method.kind === 'time') return undefined
  return method.kind === 'hash' && method.by === 'group' ? 'groups' : 'entities'
}

async function inSeveral(
  session: EngineSession,
  from: string,
  column: 'entity_key' | 'group_key',
  word: string,
): Promise<{ readonly count: number; readonly examples: readonly string[] }> {
  const { rows } = await session.query(
    `SELECT ${column} AS key, string_agg(DISTINCT split, ' ' ORDER BY split) AS splits, count(*) OVER () AS n
     ${from} WHERE ${column} IS NOT NULL AND split IS NOT NULL
     GROUP BY ${column} HAVING count(DISTINCT split) > 1 ORDER BY ${column} LIMIT ${SHOWN}`,
  )
  return {
    count: Number(rows[0]?.['n'] ?? 0),
    examples: rows.map(
      (row) => `${word} ${row['key'] as string} lies in ${inOrder(row['splits'] as string)}`,
    ),
  }
}

function inOrder(splits: string): string {
  const found = splits.split(' ')
  return SPLIT_NAMES.filter((name) => found.includes(name)).join(' and ')
}
