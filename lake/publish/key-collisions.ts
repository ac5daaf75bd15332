import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { quoteName } from '../../engine/duckdb/sql-text.js'
import type { CollidesWith } from '../../iceberg/write/table-change.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PublishTable } from '../../schemas/publish.js'
import { tasksOf } from '../staging/staged-tasks.js'
import { keyOf } from '../tables/table-key.js'

/** Whether keys of staged rows are among the rows that others added since: read from those files only. */
export function keyCollisions(
  deps: Pick<LakeDeps, 'engine' | 'pipelines'>,
  tables: ReadonlyMap<string, PublishTable | undefined>,
  loaded: ReadonlyMap<string, LoadedTable>,
): CollidesWith {
  return async ({ identifier }, addedByOthers) => {
    const name = formatIdentifier(identifier)
    const key = keyOf(deps, identifier)
    const table = loaded.get(name)
    if (key === undefined || table === undefined) {
      throw new FirnError(
        'config',
        `the key of table ${name} is not known here: insert-new needs a definition`,
      )
    }
    const schema = currentSchema(table.metadata)
    const session = await deps.engine.openSession()
    try {
      await session.addRelation({
        kind: 'scan',
        name: 'staged',
        schema,
        tasks: tasksOf(tables.get(name)?.files ?? []),
      })
      await session.addRelation({
        kind: 'scan',
        name: 'added',
        schema,
        tasks: tasksOf(addedByOthers),
        metadata: table.metadata,
      })
      const columns = key.map(quoteName).join(', ')
      const { rows } = await session.query(
        `SELECT 1 AS hit FROM staged SEMI JOIN added USING (${columns}) LIMIT 1`,
      )
      return rows.length > 0
    } finally {
      await session.close()
    }
  }
}
