import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { ifFound, isIcebergError } from '../../iceberg/error.js'
import { snapshotById } from '../../iceberg/spec/refs.js'
import { EngineError } from '../../engine/engine.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type {
  DatasetInfo,
  RebuiltDataset,
  RecordedVersion,
  ReproduceInput,
  RetrainedModel,
  TrainingPin,
} from '../../schemas/model-messages.js'
import { buildDataset } from '../datasets/build-dataset.js'
import { digestInputs } from '../datasets/digest-inputs.js'
import { fitInChild } from '../training/fit-in-child.js'

/** The data set of a pin by the definitions of today, or why there is none any more. `inputs`: as they were recorded. */
export async function rebuildDataset(
  deps: LakeDeps,
  pin: TrainingPin,
  inputs: DatasetInfo['inputs'] = {},
): Promise<RebuiltDataset> {
  const gone = await goneInputs(deps, pin)
  if (gone.length > 0) return { kind: 'unavailable', reason: gone.join('; ') }
  try {
    return { kind: 'built', dataset: await buildDataset(deps, pin) }
  } catch (error) {
    try {
      // A damaged file looks like a store that fails for a moment.
      const changed = await changedInputs(deps, pin, inputs)
      return { kind: 'unavailable', reason: changed.map(unreadable(error)).join('; ') || finalReason(error) }
    } catch (second) {
      return { kind: 'unavailable', reason: finalReason(second) }
    }
  }
}

/** Tables whose pinned files have other bytes than were recorded. */
async function changedInputs(
  deps: Pick<LakeDeps, 'catalog'>,
  { snapshots }: TrainingPin,
  was: NonNullable<DatasetInfo['inputs']>,
): Promise<readonly string[]> {
  const is = await digestInputs(deps, snapshots)
  return Object.keys(was).filter((table) => is[table] !== undefined && is[table] !== was[table])
}

function unreadable(error: unknown): (table: string) => string {
  const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  return (table) => `a data file of ${table} was changed and can't be read: ${reason}`
}

/** Pinned snapshots that the lake no longer has, in words. */
async function goneInputs(
  { catalog }: Pick<LakeDeps, 'catalog'>,
  { snapshots, tag }: TrainingPin,
): Promise<readonly string[]> {
  const each = Object.entries(snapshots).map(async ([table, snapshot]) => {
    const loaded = await ifFound(catalog.loadTable(parseIdentifier(table)))
    if (loaded === undefined) return `the table ${table} is gone`
    if (snapshotById(loaded.metadata, BigInt(snapshot)) !== undefined) return []
    return `${table} no longer has snapshot ${snapshot} of ${tag}: no tag held it, and it expired`
  })
  return (await Promise.all(each)).flat()
}

/** The model by its recorded settings and threads on the data set as it is now; nothing is stored. */
export async function retrain(
  deps: LakeDeps,
  of: {
    readonly given: ReproduceInput
    readonly recorded: RecordedVersion
    readonly rebuilt: RebuiltDataset
  },
  control: RunControl = {},
): Promise<RetrainedModel> {
  const { given, recorded, rebuilt } = of
  if (rebuilt.kind === 'unavailable')
    return { kind: 'unavailable', reason: 'there is no data set to train on' }
  const pin = { ...recorded.pin, seed: given.seed ?? recorded.pin.seed }
  try {
    const { stored, environment, evaluation } = await fitInChild(
      deps,
      { pin, dataset: rebuilt.dataset },
      { ...control, threads: recorded.trained.environment.threads },
    )
    const { weightsDigest } = stored
    return { kind: 'trained', trained: { weightsDigest, metrics: evaluation.metrics, environment } }
  } catch (error) {
    return { kind: 'unavailable', reason: finalReason(error) }
  }
}

/** What a second attempt would fail with too, in words; everything else is thrown on, to be tried again. */
function finalReason(error: unknown): string {
  if (error instanceof FirnError && !error.retryable && error.kind !== 'cancelled') return error.message
  if (error instanceof EngineError && !error.retryable && error.kind !== 'cancelled') return error.message
  if (isIcebergError(error, 'not-found') || isIcebergError(error, 'data-invalid')) return error.message
  throw error
}
