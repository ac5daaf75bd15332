import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { snapshotById } from '../../iceberg/spec/refs.js'
import type { SnapshotRef } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { FAILED_BRANCH_PREFIX } from '../publish/publish-batch.js'
import { STAGE_BRANCH_PREFIX } from '../spark/stage-branch.js'
import { batchOfTag, tagsToThin } from './thin-tags.js'

export interface DroppedRef {
  readonly name: string
  readonly why: string
}

const DAY_MS = 86_400_000
const FAILED_BRANCH_MAX_AGE_MS = 7 * DAY_MS

/**
 * Refs that are due before their own retention: batch tags by the thinning rule, branches of failed batches after a week,
 * those that Spark staged on once the lease of what it staged is over. `audit`: the pipeline's audit table, on which a batch tag's snapshot is as old as the tag itself.
 */
export function refsToDrop(
  deps: Pick<LakeDeps, 'now' | 'settings'>,
  table: LoadedTable,
  audit: LoadedTable | undefined,
): readonly DroppedRef[] {
  const nowMs = deps.now()
  const thinAfterMs = deps.settings.tagThinAfterMs
  const refs = Object.entries(table.metadata.refs)
  const tags = refs.flatMap(([name, ref]) => {
    if (ref.type !== 'tag') return []
    const published = audit?.metadata.refs[name]
    const taggedAtMs =
      (audit && published && timeOf(audit.metadata, published)) ?? timeOf(table.metadata, ref) ?? nowMs
    return [{ name, taggedAtMs }]
  })
  const thinned = tagsToThin(tags, { nowMs, thinAfterMs }).map((name) => ({
    name,
    why: `older than ${days(thinAfterMs)}, and a later batch of its day has a tag`,
  }))
  const leaseMs = deps.settings.stagingLeaseMs
  const staged = refs
    .filter(([name, ref]) => ref.type === 'branch' && name.startsWith(STAGE_BRANCH_PREFIX))
    .filter(([, ref]) => nowMs - (timeOf(table.metadata, ref) ?? nowMs) > leaseMs)
    .map(([name]) => ({ name, why: `what Spark staged for a batch, older than ${days(leaseMs)}` }))
  const failed = refs
    .filter(([name, ref]) => ref.type === 'branch' && name.startsWith(FAILED_BRANCH_PREFIX))
    .filter(([, ref]) => nowMs - (timeOf(table.metadata, ref) ?? nowMs) > FAILED_BRANCH_MAX_AGE_MS)
    .map(([name]) => ({ name, why: `a failed batch, older than ${days(FAILED_BRANCH_MAX_AGE_MS)}` }))
  return [...thinned, ...staged, ...failed]
}

/** Why refs that hold more than main's head stay, in words. */
export function keptNotes(
  deps: Pick<LakeDeps, 'now' | 'settings'>,
  { metadata }: LoadedTable,
  dropped: readonly string[],
): readonly string[] {
  const kept = Object.entries(metadata.refs).filter(([name]) => name !== 'main' && !dropped.includes(name))
  const batches = kept.filter(([name, ref]) => ref.type === 'tag' && batchOfTag(name) !== undefined)
  const others = kept.filter((entry) => !batches.includes(entry))
  const batchNote =
    batches.length === 0
      ? []
      : [
          `kept ${batches.length} batch tags: all of the last ${days(deps.settings.tagThinAfterMs)}, then the last of each day for ${days(deps.settings.tagRetentionMs)}`,
        ]
  return [...batchNote, ...others.map(([name, ref]) => `kept ${ref.type} ${name}: ${reasonOf(name, ref)}`)]
}

const MODEL_TAG = /^model-(.+)-(\d+)-data$/

/** `models:/<name>/<version>` of the tag that holds what that version was trained on. */
export function modelOfTag(name: string): string | undefined {
  const [, model, version] = MODEL_TAG.exec(name) ?? []
  return model === undefined || version === undefined ? undefined : `models:/${model}/${version}`
}

/** Who holds the snapshot that a ref stands on, in a few words. */
export function holderOf(name: string, ref: SnapshotRef): string {
  const model = modelOfTag(name)
  if (model !== undefined) return `${model} (tag ${name})`
  return name === 'main' ? "main's newest" : `${ref.type} ${name}`
}

function reasonOf(name: string, ref: SnapshotRef): string {
  if (name.startsWith('model-')) return `a model was trained on it${withModel(modelOfTag(name))}`
  if (name.startsWith(FAILED_BRANCH_PREFIX)) return 'a failed batch, to be looked at'
  if (name.startsWith(STAGE_BRANCH_PREFIX)) return 'Spark stages a batch on it'
  const maxAge = ref['max-ref-age-ms']
  return maxAge === undefined || Number(maxAge) > 1e15
    ? 'it never expires by itself'
    : `its retention is ${days(Number(maxAge))}`
}

function withModel(model: string | undefined): string {
  return model === undefined ? '' : `: ${model}`
}

function timeOf(metadata: TableMetadata, ref: SnapshotRef): number | undefined {
  return snapshotById(metadata, ref['snapshot-id'])?.['timestamp-ms']
}

export function days(ms: number): string {
  return `${Number((ms / DAY_MS).toFixed(1))} days`
}
