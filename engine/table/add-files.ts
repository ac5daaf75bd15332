import { IcebergError } from '../../iceberg/error.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import {
  createNameMapping,
  NAME_MAPPING_PROPERTY,
  serializeNameMapping,
} from '../../iceberg/spec/name-mapping.js'
import { planFiles } from '../../iceberg/scan/plan-scan.js'
import { rowsOf } from '../../iceberg/spec/rows-of.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { computeChange, type Basis, type TableContext } from './compute-change.js'
import { describeFiles } from './describe-files.js'
import { limitMetrics } from './limit-metrics.js'
import type { AddFilesOptions, WriteResult } from './table.js'

/**
 * Makes Parquet files part of the table where they lie; they must stay as they are from then on. Their columns are read
 * once, for exact metrics. A table without a name mapping gets one, so that files without field ids can be read.
 */
export async function addFiles(
  context: TableContext,
  locations: readonly string[],
  options: AddFilesOptions,
): Promise<WriteResult> {
  const twice = locations.filter((location, at) => locations.indexOf(location) !== at)
  if (twice.length > 0) throw alreadyThere(context, twice, 'named twice')
  await ensureNameMapping(context)
  return computeChange(context, options, async (basis) => {
    await refuseKnown(basis, locations)
    const described = await describeFiles(basis, locations, options.hivePaths ?? true)
    const files = described.map((file) => limitMetrics(basis.metadata, basis.schema, file))
    return {
      // Whatever others add in between is looked at again: it may be the same files.
      change: { kind: 'insert-new', files, basis: basis.head },
      rows: { added: rowsOf(files), updated: 0, deleted: 0 },
    }
  })
}

async function ensureNameMapping({ catalog, identifier }: TableContext): Promise<void> {
  const { metadata } = await catalog.loadTable(identifier)
  if (metadata.properties[NAME_MAPPING_PROPERTY] !== undefined) return
  const mapping = serializeNameMapping(createNameMapping(currentSchema(metadata)))
  await catalog.commit([
    {
      identifier,
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
        { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
      ],
      updates: [{ action: 'set-properties', updates: { [NAME_MAPPING_PROPERTY]: mapping } }],
    },
  ])
}

async function refuseKnown(basis: Basis, locations: readonly string[]): Promise<void> {
  const { metadata, target, context } = basis
  const wanted = new Set(locations)
  const known: string[] = []
  for await (const { file } of planFiles({ metadata, io: context.catalog.io, target, filter: alwaysTrue })) {
    if (wanted.has(file.filePath)) known.push(file.filePath)
  }
  if (known.length > 0) throw alreadyThere(context, known, 'in the table already')
}

const SHOWN = 5

function alreadyThere({ identifier }: TableContext, files: readonly string[], how: string): IcebergError {
  const shown = files.slice(0, SHOWN).join(', ')
  return new IcebergError(
    'already-exists',
    `${formatIdentifier(identifier)}: ${files.length} files are ${how}, which would double their rows: ${shown}; leave them out`,
    { context: { table: formatIdentifier(identifier), files } },
  )
}
