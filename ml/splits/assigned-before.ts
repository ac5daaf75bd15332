import type { EngineSession } from '../../engine/engine.js'
import type { SplitName } from '../../schemas/feature-definitions.js'
import type { AssignedBefore } from './plan-split.js'

const ENTITIES_MAX = 20_000_000

/** Of a session with `assigned` and `fresh`: entities by class and split, and what those of the fresh rows have. */
export async function assignedBefore(session: EngineSession): Promise<AssignedBefore> {
  const counted = await session.query(
    `SELECT stratum, split, count(DISTINCT entity_key) AS n FROM assigned GROUP BY ALL ORDER BY ALL`,
  )
  const counts = new Map<string, Record<SplitName, number>>()
  for (const row of counted.rows) {
    const stratum = row['stratum'] as string
    const count = counts.get(stratum) ?? { train: 0, val: 0, test: 0 }
    counts.set(stratum, count)
    count[row['split'] as SplitName] = Number(row['n'])
  }
  const known = await session.query(
    `SELECT DISTINCT entity_key, split, stratum FROM assigned SEMI JOIN fresh USING (entity_key)
     ORDER BY ALL`,
    { limit: ENTITIES_MAX },
  )
  const entities = new Map(
    known.rows.map((row) => [
      row['entity_key'] as string,
      { split: row['split'] as SplitName, stratum: row['stratum'] as string },
    ]),
  )
  return { entities, counts }
}
