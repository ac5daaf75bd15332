import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { pipelineTables } from './pipeline-tables.js'

export interface TaggedTable {
  readonly table: string
  readonly snapshotId: string
}

const TAG_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
/** Tags that batches and models set, and that maintenance or the registry removes. */
const RESERVED = /^(v_(incr_)?\d{8}T|failed_|stage_|rolled_back_|scored?_|model-|main$)/

/**
 * Tags every table of a pipeline that has rows, as one catalog read shows them, in one transaction. Without `retainMs` the
 * tag never expires. Done again on the same state it changes nothing, and nothing with `dryRun`. Errors: FirnError `invalid-input`, `not-found`.
 */
export async function createTag(
  deps: LakeDeps,
  tag: {
    readonly pipeline: string
    readonly name: string
    readonly retainMs?: number
    readonly dryRun?: boolean
  },
): Promise<readonly TaggedTable[]> {
  checkName(tag.name)
  const tables = (await pipelineTables(deps, tag.pipeline)).filter((table) => headOf(table.metadata))
  if (tables.length === 0) {
    throw new FirnError(
      'not-found',
      `pipeline ${tag.pipeline} has no table with rows yet: there is nothing to tag`,
    )
  }
  if (tag.dryRun === true) return tables.map((table) => wouldTag(table, tag.name))
  const { name, retainMs } = tag
  const change = { kind: 'create-tag' as const, name, ...(retainMs === undefined ? {} : { retainMs }) }
  try {
    const tagged = await changeRefs({
      ...deps,
      tables: tables.map(({ identifier }) => ({ identifier, changes: [change] })),
    })
    return tagged.flatMap(({ identifier, metadata }) => {
      const ref = metadata.refs[tag.name]
      return ref === undefined
        ? []
        : [{ table: formatIdentifier(identifier), snapshotId: String(ref['snapshot-id']) }]
    })
  } catch (error) {
    if (!isIcebergError(error, 'already-exists')) throw error
    throw new FirnError('invalid-input', error.message, { context: error.context, cause: error })
  }
}

function wouldTag({ identifier, metadata }: LoadedTable, name: string): TaggedTable {
  const [table, snapshotId] = [formatIdentifier(identifier), headOf(metadata)?.['snapshot-id']]
  const there = metadata.refs[name]
  if (there === undefined || there['snapshot-id'] === snapshotId)
    return { table, snapshotId: String(snapshotId) }
  throw new FirnError(
    'invalid-input',
    `${table} has a ${there.type} ${name} already, on snapshot ${there['snapshot-id']}: drop it first, or choose another name`,
  )
}

/** Drops a user's tag from every table of a pipeline that has it, in one transaction; returns their names. With `dryRun` nothing changes. */
export async function dropTag(
  deps: LakeDeps,
  tag: { readonly pipeline: string; readonly name: string; readonly dryRun?: boolean },
): Promise<readonly string[]> {
  if (tag.name.startsWith('model-')) {
    throw new FirnError(
      'invalid-input',
      `${tag.name} holds what a model was trained on; it goes with its model version`,
    )
  }
  const tables = await pipelineTables(deps, tag.pipeline)
  const tagged = tables.filter((table) => table.metadata.refs[tag.name]?.type === 'tag')
  if (tagged.length === 0) {
    const known = [...new Set(tables.flatMap((table) => Object.keys(table.metadata.refs)))]
    throw new FirnError(
      'not-found',
      `no table of ${tag.pipeline} has a tag ${tag.name}; there are ${known.filter((name) => name !== 'main').join(', ') || 'none'}`,
    )
  }
  if (tag.dryRun !== true) {
    await changeRefs({
      ...deps,
      tables: tagged.map(({ identifier }) => ({ identifier, changes: [{ kind: 'drop', name: tag.name }] })),
    })
  }
  return tagged.map((table) => formatIdentifier(table.identifier))
}

function checkName(name: string): void {
  if (!TAG_NAME.test(name)) {
    throw new FirnError(
      'invalid-input',
      `${JSON.stringify(name)} is no name for a tag: use letters, digits, points, _ and -, at most 128`,
    )
  }
  if (RESERVED.test(name)) {
    throw new FirnError(
      'invalid-input',
      `${name} is a name that batches, models or branches use; choose another one`,
    )
  }
}
