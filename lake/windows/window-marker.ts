import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { SnapshotSummary } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'

/** What a refresh writes into the summary of each table's snapshot. */
export interface WindowMarker {
  /** Ledger rows before this one are in the table's windows. */
  readonly rowEnd: number
  /** By which the next refresh judges what is late. ms since 1970. */
  readonly watermarkMs?: number
  /** Which refresh it was, and what it did to this table. */
  readonly batch: string
  readonly windows: number
  readonly rows: number
  readonly late: number
}

/** A watermark as it was recorded: records of ledger rows from `rowEnd` on are judged by it. */
export interface WatermarkStep {
  readonly rowEnd: number
  readonly watermarkMs: number
}

/** How far a table's windows are. */
export type WindowPosition =
  | { readonly kind: 'empty' }
  /** `silent`: the head doesn't say so itself, and the snapshot that does may expire. */
  | { readonly kind: 'known'; readonly marker: WindowMarker; readonly silent?: true }
  /** The head says nothing, nor what compactions below it were made from. `beneath`: the snapshot where the trail ends. */
  | { readonly kind: 'lost'; readonly beneath?: string }

const KEYS = {
  rowEnd: 'firn.window-row-end',
  watermark: 'firn.window-watermark-ms',
  batch: 'firn.window-refresh',
  windows: 'firn.windows',
  rows: 'firn.window-rows',
  late: 'firn.window-late',
} as const

export function markerSummary(marker: WindowMarker): Readonly<Record<string, string>> {
  const { rowEnd, watermarkMs, batch, windows, rows, late } = marker
  return {
    [KEYS.rowEnd]: String(rowEnd),
    ...(watermarkMs === undefined ? {} : { [KEYS.watermark]: String(watermarkMs) }),
    [KEYS.batch]: batch,
    [KEYS.windows]: String(windows),
    [KEYS.rows]: String(rows),
    [KEYS.late]: String(late),
  }
}

/**
 * Read from the head, through compactions, which change no row. One of ours repeats the marker that it was made from:
 * that counts where the history below has expired.
 */
export function windowPosition(metadata: TableMetadata): WindowPosition {
  const head = headOf(metadata)
  if (head === undefined) return { kind: 'empty' }
  const silent = markerIn(head.summary) === undefined ? { silent: true as const } : {}
  let repeated: WindowMarker | undefined
  let beneath: string | undefined
  for (const snapshot of ancestorsOf(metadata, head['snapshot-id'])) {
    const marker = markerIn(snapshot.summary)
    if (snapshot.summary?.operation !== 'replace') {
      if (marker !== undefined) return { kind: 'known', marker, ...silent }
      // Somebody else's rows: what the windows hold is not known any more.
      return { kind: 'lost' }
    }
    repeated ??= marker
    beneath = snapshot['parent-snapshot-id']?.toString()
  }
  if (repeated !== undefined) return { kind: 'known', marker: repeated, ...silent }
  return { kind: 'lost', ...(beneath === undefined ? {} : { beneath }) }
}

/** For a compaction to repeat in its summary. */
export function repeatedMarker(metadata: TableMetadata): Readonly<Record<string, string>> {
  const position = windowPosition(metadata)
  return position.kind === 'known' ? markerSummary(position.marker) : {}
}

/** Every watermark that the snapshots still tell, those of a history that was rolled back too. By row. */
export function recordedSteps(tables: readonly TableMetadata[]): readonly WatermarkStep[] {
  const steps = new Map<number, number>()
  for (const { snapshots } of tables) {
    for (const { summary } of snapshots) {
      const { rowEnd, watermarkMs } = markerIn(summary) ?? {}
      if (rowEnd === undefined || watermarkMs === undefined) continue
      steps.set(rowEnd, Math.max(steps.get(rowEnd) ?? watermarkMs, watermarkMs))
    }
  }
  return [...steps]
    .map(([rowEnd, watermarkMs]) => ({ rowEnd, watermarkMs }))
    .sort((a, b) => a.rowEnd - b.rowEnd)
}

/** The markers that refreshes gave a table since a row, newest first, as far as its history is kept. */
export function markersSince(metadata: TableMetadata, rowFrom: number): readonly WindowMarker[] {
  const head = headOf(metadata)
  if (head === undefined) return []
  const markers: WindowMarker[] = []
  for (const { summary } of ancestorsOf(metadata, head['snapshot-id'])) {
    const marker = summary?.operation === 'replace' ? undefined : markerIn(summary)
    if (marker === undefined) continue
    if (marker.rowEnd <= rowFrom) break
    markers.push(marker)
  }
  return markers
}

function markerIn(summary: SnapshotSummary | undefined): WindowMarker | undefined {
  const rowEnd = summary?.[KEYS.rowEnd]
  if (rowEnd === undefined) return undefined
  const watermark = summary?.[KEYS.watermark]
  const count = (key: string): number => Number(summary?.[key] ?? 0)
  return {
    rowEnd: Number(rowEnd),
    ...(watermark === undefined ? {} : { watermarkMs: Number(watermark) }),
    batch: summary?.[KEYS.batch] ?? '',
    windows: count(KEYS.windows),
    rows: count(KEYS.rows),
    late: count(KEYS.late),
  }
}
