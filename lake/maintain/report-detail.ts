import { ifFound } from '../../iceberg/error.js'
import { joinLocation } from '../../iceberg/io/location.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type {
  HeldByRef,
  KeptSnapshot,
  MaintainedFile,
  MaintenanceDetail,
  Shown,
} from '../../schemas/maintenance.js'

/** A report goes through Temporal, where two megabytes are too many: so few of each kind stand in it. */
const SHOWN = 10
/** Lines of one file. */
const LINES = 20_000
const LISTS_MAX_AGE_MS = 30 * 86_400_000

export interface FullDetail {
  readonly files: readonly MaintainedFile[]
  readonly snapshots?: readonly KeptSnapshot[]
  readonly refs?: readonly HeldByRef[]
}

/** One line of a list: what it is about says its only key. */
export type DetailLine =
  { readonly file: MaintainedFile } | { readonly snapshot: KeptSnapshot } | { readonly ref: HeldByRef }

/**
 * The first few of each, and where that leaves out any, the location of all:
 * `<warehouse>/_maintenance/<run>/<table>-<n>.jsonl`. Those that something went wrong with come first, then
 * they are by location.
 */
export async function reportDetail(
  deps: Pick<LakeDeps, 'catalog' | 'warehouse'>,
  about: { readonly table: string; readonly runId: string },
  full: FullDetail,
): Promise<MaintenanceDetail> {
  const { snapshots, refs } = full
  const files = [...full.files].sort(
    (a, b) => Number(isFine(a)) - Number(isFine(b)) || (a.location < b.location ? -1 : 1),
  )
  const lines: DetailLine[] = [
    ...files.map((file) => ({ file })),
    ...(snapshots ?? []).map((snapshot) => ({ snapshot })),
    ...(refs ?? []).map((ref) => ({ ref })),
  ]
  const leavesOut = [files, snapshots ?? [], refs ?? []].some((list) => list.length > SHOWN)
  const at = joinLocation(deps.warehouse, '_maintenance', about.runId, about.table)
  if (leavesOut)
    for (let from = 0; from < lines.length; from += LINES) {
      const text = lines.slice(from, from + LINES).map((line) => `${JSON.stringify(line)}\n`)
      await deps.catalog.io.write(`${at}-${from / LINES}.jsonl`, Buffer.from(text.join('')))
    }
  return {
    files: shown(files),
    ...(snapshots === undefined ? {} : { snapshots: shown(snapshots) }),
    ...(refs === undefined ? {} : { refs: shown(refs) }),
    ...(leavesOut ? { at } : {}),
  }
}

/** Everything that a report left out and wrote to `at`, in the order of the report. */
export async function* readDetail(
  { catalog: { io } }: Pick<LakeDeps, 'catalog'>,
  at: string,
): AsyncGenerator<DetailLine> {
  for (let part = 0; ; part += 1) {
    const bytes = await ifFound(io.read(`${at}-${part}.jsonl`))
    if (bytes === undefined) return
    const lines = Buffer.from(bytes).toString('utf8').split('\n')
    for (const line of lines) if (line !== '') yield JSON.parse(line) as DetailLine
  }
}

/** The same with nothing left out. */
export async function readFullDetail(
  deps: Pick<LakeDeps, 'catalog'>,
  detail: MaintenanceDetail,
): Promise<MaintenanceDetail> {
  if (detail.at === undefined) return detail
  const files: MaintainedFile[] = []
  const snapshots: KeptSnapshot[] = []
  const refs: HeldByRef[] = []
  for await (const line of readDetail(deps, detail.at)) {
    if ('file' in line) files.push(line.file)
    else if ('snapshot' in line) snapshots.push(line.snapshot)
    else refs.push(line.ref)
  }
  const all = <T>(list: readonly T[]) => ({ total: list.length, shown: list })
  return {
    files: all(files),
    ...(detail.snapshots && { snapshots: all(snapshots) }),
    ...(detail.refs && { refs: all(refs) }),
    at: detail.at,
  }
}

/** Removes lists of a month ago. */
export async function removeOldLists(
  deps: Pick<LakeDeps, 'catalog' | 'warehouse'>,
  nowMs: number,
): Promise<void> {
  const { io } = deps.catalog
  for await (const { location, modifiedMs } of io.list(joinLocation(deps.warehouse, '_maintenance', '')))
    if (nowMs - modifiedMs > LISTS_MAX_AGE_MS) await io.delete(location)
}

function isFine({ result }: MaintainedFile): boolean {
  return result !== 'failed' && result !== 'needed-after-all'
}

function shown<T>(list: readonly T[]): Shown<T> {
  return { total: list.length, shown: list.slice(0, SHOWN) }
}
