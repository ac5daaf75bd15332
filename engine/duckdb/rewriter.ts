import type { DeleteRewriter, Rewriter, RewriteRequest } from '../../iceberg/maintain/rewriter.js'
import type { Engine, EngineSession } from '../engine.js'
import { EngineError } from '../engine.js'
import { partitionColumns } from './partition-sql.js'
import { rewriteDeletes } from './rewrite-deletes.js'

/** Maintenance's ports over an engine. What does not fit into the engine's memory limit spills to its temp folder. */
export function createRewriter(engine: Engine): Rewriter & DeleteRewriter {
  const inSession = async <T>(work: (session: EngineSession) => Promise<T>): Promise<T> => {
    const session = await engine.openSession()
    try {
      return await work(session)
    } finally {
      await session.close()
    }
  }
  return {
    rewrite: (request) =>
      inSession(async (session) => {
        const { tasks, schema, metadata, spec, dataLocation, targetFileSizeBytes, sortOrderId } = request
        const known = metadata === undefined ? {} : { metadata }
        await session.addRelation({ kind: 'scan', name: 'live_rows', schema, tasks, ...known })
        const sql = `SELECT * FROM live_rows${orderBy(request)}`
        const target = { schema, spec, dataLocation, orderBy: [], targetFileSizeBytes }
        const { files } = await session.write(sql, target)
        return sortOrderId === undefined ? files : files.map((file) => ({ ...file, sortOrderId }))
      }),
    rewriteDeletes: (request) => inSession((session) => rewriteDeletes(session, request)),
  }
}

function orderBy({ schema, sortBy = [] }: RewriteRequest): string {
  if (sortBy.length === 0) return ''
  const keys = sortBy.map((field, index) => {
    const [column] = partitionColumns(schema, {
      'spec-id': 0,
      fields: [{ ...field, 'field-id': 1000 + index, name: `sort_${index}` }],
    })
    if (column === undefined || column.scalar !== undefined) {
      throw new EngineError(
        'unsupported',
        `rows cannot be sorted by ${field.transform} of column ${field['source-id']}: sort by other columns, or bin-pack`,
      )
    }
    const nulls = field['null-order'] === 'nulls-first' ? 'NULLS FIRST' : 'NULLS LAST'
    return `${column.expression} ${field.direction} ${nulls}`
  })
  return ` ORDER BY ${keys.join(', ')}`
}
