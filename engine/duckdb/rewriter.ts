import type { DeleteRewriter, Rewriter, RewriteRequest } from '../../iceberg/maintain/rewriter.js'
import { partitionKey } from '../../iceberg/spec/partition-key.js'
import type { Value } from '../../iceberg/spec/type.js'
import type { Engine, EngineSession } from '../engine.js'
import { EngineError } from '../engine.js'
import { PLACE } from '../row-place.js'
import { partitionColumns } from './partition-sql.js'
import { rewriteDeletes } from './rewrite-deletes.js'
import { quoteName } from './sql-text.js'

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
        const places = losesOrder(request) ? { places: tasks.map((_, index) => index) } : {}
        await session.addRelation({ kind: 'scan', name: 'live_rows', schema, tasks, ...known, ...places })
        const columns = schema.fields.map(({ name }) => quoteName(name)).join(', ')
        const sql = `SELECT ${columns} FROM live_rows${orderBy(request)}`
        const target = {
          schema,
          spec,
          dataLocation,
          orderBy: [],
          targetFileSizeBytes,
          ...onePartition(request),
        }
        const { files } = await session.write(sql, target)
        return sortOrderId === undefined ? files : files.map((file) => ({ ...file, sortOrderId }))
      }),
    rewriteDeletes: (request) => inSession((session) => rewriteDeletes(session, request)),
  }
}

/** Tasks of one partition of the spec have rows of it only, so that these need not be sorted by it. */
function onePartition({ tasks, spec }: RewriteRequest): { readonly partition?: readonly (Value | null)[] } {
  const [first] = tasks
  if (first === undefined) return {}
  const key = partitionKey(first.file)
  const isOne = tasks.every(({ file }) => file.specId === spec['spec-id'] && partitionKey(file) === key)
  return isOne ? { partition: first.file.partition } : {}
}

/** Deletes are applied by joins, which keep no order. */
function losesOrder({ tasks, sortBy = [] }: RewriteRequest): boolean {
  return sortBy.length === 0 && tasks.some((task) => task.deletes.length > 0)
}

function orderBy(request: RewriteRequest): string {
  const { schema, sortBy = [] } = request
  if (sortBy.length === 0) return losesOrder(request) ? ` ORDER BY ${PLACE}` : ''
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
