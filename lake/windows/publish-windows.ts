import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { parseBatchId } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { WindowPublishInput, WindowPublishResult } from '../../schemas/messages.js'
import type { PublishRequest } from '../../schemas/publish.js'
import { definitionFingerprint } from '../define/fingerprint.js'
import { freeBatchId } from '../features/free-batch-id.js'
import { publishedState, readBatchFamily, recordedResult } from '../publish/audit.js'
import { publish } from '../publish/publish.js'
import { ensureTables } from '../tables/ensure-tables.js'
import { windowsName } from './published-position.js'
import { markersSince, recordedSteps, windowPosition, type WindowMarker } from './window-marker.js'
import { openWindows, type WindowedSource } from './window-table.js'

/**
 * Makes the state of a source's window tables one that can be gone back to: a tag on every table of the pipeline that has
 * rows and an audit row, in one transaction. Done again for the same batch it gives the recorded result; with nothing
 * refreshed since the last one it writes nothing. Errors: IcebergError `commit-*`.
 */
export async function publishWindows(
  deps: LakeDeps,
  input: WindowPublishInput,
): Promise<WindowPublishResult> {
  const batch = parseBatchId(input.batch)
  const opened = await openWindows(deps, input)
  const { source, audit } = opened
  const name = windowsName(source)
  const { rowEnd } = stateOf(opened)
  const last = await publishedState(deps, audit, name)
  const family = await readBatchFamily(deps, audit, name, batch)
  const same = family.find((row) => row.status === 'published' && row.inputTo === rowEnd)
  if (same !== undefined)
    return { status: 'published', batch: same.batch, publish: recordedResult(audit, same) }
  if (opened.tables.length === 0 || rowEnd === 0 || rowEnd === last.end)
    return { status: 'no_changes', batch }
  const { pipeline } = source
  const tables = await ensureTables(deps, pipeline)
  const free = freeBatchId(batch, family, tables)
  const isFirst = !last.published && !(await publishedState(deps, audit, pipeline.name)).published
  const tag = `${isFirst ? 'v_' : 'v_incr_'}${free}`
  const request = publishRequest(opened, { rowFrom: last.end, batch: free, tag, run: input.run })
  return { status: 'published', batch: free, publish: await publish(deps, request) }
}

/** What the tables have in common. */
function stateOf({ tables }: Pick<WindowedSource, 'tables'>): {
  readonly rowEnd: number
  readonly watermarkMs?: number
} {
  const markers = tables.map(({ loaded }): Pick<WindowMarker, 'rowEnd' | 'watermarkMs'> => {
    const position = windowPosition(loaded.metadata)
    return position.kind === 'known' ? position.marker : { rowEnd: 0 }
  })
  const watermarks = markers.flatMap(({ watermarkMs }) => watermarkMs ?? [])
  return {
    rowEnd: markers.length === 0 ? 0 : Math.min(...markers.map(({ rowEnd }) => rowEnd)),
    ...(watermarks.length === 0 ? {} : { watermarkMs: Math.max(...watermarks) }),
  }
}

function publishRequest(
  { source, ledger, tables }: WindowedSource,
  { rowFrom, ...named }: Pick<PublishRequest, 'batch' | 'tag' | 'run'> & { readonly rowFrom: number },
): PublishRequest {
  const { pipeline } = source
  const { namespace } = pipeline
  const { rowEnd, watermarkMs } = stateOf({ tables })
  const steps = recordedSteps(tables.map(({ loaded }) => loaded.metadata))
  return {
    ...named,
    namespace,
    processingName: windowsName(source),
    tables: tables.map(({ loaded, definition }) => ({
      table: formatIdentifier(loaded.identifier),
      write: definition.write,
      files: [],
      rows: markersSince(loaded.metadata, rowFrom).reduce((sum, marker) => sum + marker.rows, 0),
      basisSnapshotId: headOf(loaded.metadata)?.['snapshot-id'].toString() ?? null,
      isCommitted: true,
    })),
    tagTables: [
      ...Object.keys(pipeline.tables).map((table) => `${namespace}.${table}`),
      formatIdentifier(auditIdentifier(namespace)),
    ],
    inputFrom: Math.min(rowFrom, rowEnd),
    inputTo: rowEnd,
    duplicates: 0,
    fingerprint: definitionFingerprint(pipeline).pipeline,
    sourceDataInfo: JSON.stringify({
      source: source.name,
      ledger: formatIdentifier(ledger.identifier),
      ...{ rowFrom, rowEnd, watermarkMs },
      // By which a replay of the ledger gives the same windows, long after the snapshots that recorded them are gone.
      steps: steps
        .filter((step) => step.rowEnd > rowFrom && step.rowEnd <= rowEnd)
        .map((step) => [step.rowEnd, step.watermarkMs]),
    }),
    checks: [],
  }
}
