import { readManifests } from '../scan/manifests.js'
import { headOf } from '../spec/refs.js'
import { commitRewrite, type RewriteTarget } from './commit-rewrite.js'
import type { ManifestRewritePlan } from './plan-manifest-rewrite.js'
import { planManifestRewrite } from './plan-manifest-rewrite.js'

/** Which table's data manifests to cluster by partition. */
export interface RewriteManifestsRequest extends RewriteTarget {
  /** Also where the plan says that it would not help. */
  readonly always?: boolean
  readonly dryRun?: boolean
}

/** What a rewrite of manifests did, or with `dryRun` would do. */
export interface RewriteManifestsResult {
  readonly plan?: ManifestRewritePlan
  /** Data manifests before; 0 where nothing was rewritten. */
  readonly rewrittenManifests: number
  /** Data manifests after. */
  readonly addedManifests: number
  /** Left for a later run since writers were always first. */
  readonly conflict: boolean
}

/**
 * Writes the table's manifests anew, files of a partition together, where there are too many or they are badly clustered.
 * No file and no row changes. Tables of other format versions than 2 stay as they are.
 */
export async function rewriteManifests(request: RewriteManifestsRequest): Promise<RewriteManifestsResult> {
  const { catalog, identifier } = request
  const { metadata } = await catalog.loadTable(identifier)
  const head = headOf(metadata)
  const nothing = { rewrittenManifests: 0, addedManifests: 0, conflict: false }
  if (head === undefined || metadata['format-version'] !== 2) return nothing
  const plan = planManifestRewrite(metadata, await readManifests(catalog.io, metadata, head))
  const isDue = plan.reason !== undefined || (request.always === true && plan.manifests > 0)
  if (!isDue) return { ...nothing, plan }
  const planned = { plan, rewrittenManifests: plan.manifests, conflict: false }
  if (request.dryRun === true) return { ...planned, addedManifests: plan.expectedManifests }
  const outcome = await commitRewrite(request, {
    kind: 'rewrite-manifests',
    targetSizeBytes: plan.targetSizeBytes,
  })
  if (outcome.kind !== 'committed') return { ...nothing, plan, conflict: true }
  const after = outcome.table?.table.metadata
  const newest = after && headOf(after)
  // They lay as they should.
  if (newest === undefined || newest['snapshot-id'] === head['snapshot-id']) return { ...nothing, plan }
  const manifests = after ? await readManifests(catalog.io, after, newest) : []
  return { ...planned, addedManifests: manifests.filter(({ content }) => content === 'data').length }
}
