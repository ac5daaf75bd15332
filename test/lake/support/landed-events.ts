import { gzipSync } from 'node:zlib'
import { joinLocation } from '../../../iceberg/io/location.js'
import { commitTransaction } from '../../../iceberg/write/transaction.js'
import { ensureLandingTables } from '../../../lake/tables/ensure-tables.js'
import { writeTableRows } from '../../../lake/tables/write-table-rows.js'
import { nextRowNumber } from '../../../lake/land/ledger.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import { ledgerIdentifier } from '../../../schemas/lake-tables.js'

export interface LandedEvent {
  readonly id: string
  readonly timeMs: number
  readonly document: Readonly<Record<string, unknown>>
}

/** Raw objects and their ledger rows, one a part, in one commit: what a landing leaves behind, without a broker. */
export async function landEvents(
  deps: LakeDeps,
  source: string,
  parts: readonly (readonly LandedEvent[])[],
): Promise<number> {
  await ensureLandingTables(deps, source)
  const ledger = await deps.catalog.loadTable(ledgerIdentifier(source))
  const from = await nextRowNumber(deps, ledger)
  const rows = []
  for (const [i, events] of parts.entries()) {
    const row = from + i
    const first = row * 1000
    const path = joinLocation(
      deps.warehouse,
      'raw',
      source,
      `${row}-${events
        .map((e) => e.id)
        .join('.')
        .slice(0, 40)}.jsonl.gz`,
    )
    const lines = events.map((event, at) => ({
      record_id: event.id,
      topic: source,
      path: null,
      partition: 0,
      offset: first + at,
      key: null,
      timestamp: new Date(event.timeMs).toISOString(),
      payload: JSON.stringify(event.document),
    }))
    await deps.catalog.io.write(path, gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join('')))
    const times = events.map((event) => event.timeMs)
    const us = (ms: number): bigint => BigInt(ms) * 1000n
    rows.push({
      ...{ row_number: BigInt(row), path, incarnation: 'abc', partition: 0 },
      ...{ first: BigInt(first), next_offset: BigInt(first + 1000), records: BigInt(events.length) },
      ...{ dead_letters: 0n, bytes: BigInt(JSON.stringify(lines).length), sha256: 'x' },
      ...{ source_path: null, source_size: null, source_mtime_ms: null, batch: 'b', last_record: null },
      min_event_time: times.length === 0 ? null : us(Math.min(...times)),
      max_event_time: times.length === 0 ? null : us(Math.max(...times)),
    })
  }
  await commitTransaction({
    catalog: deps.catalog,
    ...{ now: deps.now, newUuid: deps.newUuid },
    changes: [
      {
        identifier: ledger.identifier,
        change: { kind: 'append', files: [await writeTableRows(deps, ledger, rows)] },
        snapshotId: deps.newSnapshotId(),
        summary: { 'firn.next-row-number': String(from + parts.length) },
      },
    ],
  })
  return from + parts.length
}
