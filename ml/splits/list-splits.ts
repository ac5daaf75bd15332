import { queryTable } from '../../engine/query-table.js'
import { ifFound } from '../../iceberg/error.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { SplitName } from '../../schemas/feature-definitions.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { SPLITS } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { SplitKey } from './add-split.js'
import { describeMethod } from './describe-method.js'

/** A split version, defined or of which there are rows. */
export interface ListedSplit extends SplitKey {
  readonly labels: string
  readonly method: string
  readonly seed: number
  /** `changed`: its rows were assigned by another method than it is defined by now; `gone`: rows without a definition. */
  readonly state: 'defined' | 'changed' | 'gone'
  /** Rows by split; what has none is left out. */
  readonly rows: Readonly<Partial<Record<SplitName, number>>>
}

/** Versions in the order of the pipelines' definitions, then those that only rows are left of. */
export async function listSplits(
  deps: Pick<LakeDeps, 'catalog' | 'engine' | 'pipelines'>,
): Promise<readonly ListedSplit[]> {
  const stored = await storedVersions(deps)
  const defined = definedSplits(deps.pipelines).map((one): ListedSplit => {
    const found = stored.get(keyOf(one))
    stored.delete(keyOf(one))
    if (found === undefined) return one
    const isSame = found.labels === one.labels && found.method === one.method && found.seed === one.seed
    return { ...one, state: isSame ? 'defined' : 'changed', rows: found.rows }
  })
  return [...defined, ...stored.values()]
}

/** Those of the pipelines' definitions, without a look at their rows. */
export function definedSplits(pipelines: ReadonlyMap<string, Pipeline>): readonly ListedSplit[] {
  return [...pipelines.values()].flatMap(({ name, splits = {} }) =>
    Object.entries(splits).map(([split, definition]): ListedSplit => {
      const { labels, seed } = definition
      const method = describeMethod(definition)
      return { pipeline: name, split, labels, method, seed, state: 'defined', rows: {} }
    }),
  )
}

function keyOf({ pipeline, split }: SplitKey): string {
  return JSON.stringify([pipeline, split])
}

async function storedVersions({
  catalog,
  engine,
}: Pick<LakeDeps, 'catalog' | 'engine'>): Promise<Map<string, ListedSplit>> {
  const table = await ifFound(catalog.loadTable(SPLITS))
  if (table === undefined) return new Map()
  const rows = await queryTable(
    { engine, io: catalog.io, metadata: table.metadata },
    {
      ...{ name: 'splits', filter: alwaysTrue },
      sql: `SELECT pipeline, split_version, min(label_view) AS labels, min(method) AS method,
              min(split_seed) AS seed, split, count(*) AS n
            FROM splits GROUP BY pipeline, split_version, split ORDER BY ALL`,
    },
  )
  const versions = new Map<string, ListedSplit>()
  for (const row of rows) {
    const key = { pipeline: row['pipeline'] as string, split: row['split_version'] as string }
    const counts = versions.get(keyOf(key))?.rows ?? {}
    versions.set(keyOf(key), {
      ...key,
      ...{ labels: row['labels'] as string, method: row['method'] as string, seed: Number(row['seed']) },
      state: 'gone',
      rows: { ...counts, [row['split'] as SplitName]: Number(row['n']) },
    })
  }
  return versions
}
