import type { ColumnType, DatasetInfo, TrainingPin } from '../../schemas/model-messages.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import type { EngineSession } from '../../engine/engine.js'
import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { SPLITS } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { addSplit } from '../splits/add-split.js'
import { pinnedTables } from '../views/add-rows.js'
import { digestOf } from '../views/digest-of.js'
import { resolveLabels, resolveService } from '../views/resolve-features.js'
import type { ResolvedFeatures, ResolvedLabels } from '../views/resolved-view.js'
import { datasetColumns } from './dataset-columns.js'
import { digestInputs } from './digest-inputs.js'
import { joinObservations } from './join-observations.js'
import { writeDataset } from './write-dataset.js'

export type DatasetDeps = Pick<LakeDeps, 'catalog' | 'engine' | 'warehouse' | 'pipelines' | 'newUuid'>

/**
 * The labelled observations of a pin with their features, written as scratch under a name drawn from their content: the
 * same pin and definitions give the same bytes. Errors: FirnError `not-found`, `definition-changed` (the pipeline no longer
 * has, or reads more than, what was pinned), `training-failed` (no rows).
 */
export async function buildDataset(deps: DatasetDeps, pin: TrainingPin): Promise<DatasetInfo> {
  const pipeline = findPipeline(deps.pipelines, pin.pipeline)
  const features = resolveService(pipeline, pin.service)
  const labels = resolveLabels(pipeline, pin.labels)
  const session = await deps.engine.openSession()
  try {
    const split = pin.split === undefined ? undefined : await addPinnedSplit(deps, session, pin)
    const relation = await joinObservations(deps, {
      ...{ session, features, labels, snapshots: pin.snapshots, asOf: pin.asOf, which: 'labelled' },
      ...(split === undefined ? {} : { split }),
    })
    const written = await writeDataset(deps, {
      session,
      sql: `SELECT * FROM ${relation}`,
      columns: columnsOf(features, labels),
      task: pin.settings.task,
    })
    if (written.rows === 0) {
      throw new FirnError(
        'training-failed',
        `label view "${pin.labels}" has no labelled rows at ${pin.tag} that are old enough, so there is nothing to learn from. Land more data, or train at another tag.`,
      )
    }
    const fingerprints = fingerprintsOf(pipeline, { pin, features, labels })
    return {
      ...written,
      features: features.features.length,
      definitionFingerprint: digestOf(fingerprints),
      fingerprints,
      signature: signatureOf(features, labels),
      inputs: await digestInputs(deps, pin.snapshots),
    }
  } finally {
    await session.close()
  }
}

/** Named apart from everything that a view's SQL could mean. */
const SPLIT_RELATION = 'pinned_split'

async function addPinnedSplit(
  deps: Pick<LakeDeps, 'catalog'>,
  session: EngineSession,
  { pipeline, split = '', snapshots }: TrainingPin,
): Promise<string> {
  const name = formatIdentifier(SPLITS)
  const table = (await pinnedTables(deps, { [name]: snapshots[name] ?? '' })).get(name)
  if (snapshots[name] === undefined || table === undefined) {
    throw new FirnError(
      'invalid-input',
      `the pin has the split "${split}", but no snapshot of ${name}. Extend the split first.`,
    )
  }
  await addSplit(session, { name: SPLIT_RELATION, split: { pipeline, split }, table })
  return SPLIT_RELATION
}

/** The columns of a data set of these features. */
export function columnsOf(
  features: ResolvedFeatures,
  labels: ResolvedLabels,
): ReturnType<typeof datasetColumns> {
  return datasetColumns(
    labels.type === 'string' ? 'string' : 'double',
    features.features.map(({ column, type }) => ({ name: column, type })),
  )
}

/** By what a reason would call it, e.g. `view first_10`: the fingerprint of its definition. */
export function fingerprintsOf(
  pipeline: Pipeline,
  of: { readonly pin: TrainingPin; readonly features: ResolvedFeatures; readonly labels: ResolvedLabels },
): Readonly<Record<string, string>> {
  const { pin, features, labels } = of
  const split = pin.split === undefined ? undefined : pipeline.splits?.[pin.split]
  return {
    ...featureFingerprints(pin.service, features),
    [labelFingerprint(labels.name)]: labels.fingerprint,
    ...(pin.split === undefined ? {} : { [`split ${pin.split}`]: digestOf(split ?? null) }),
  }
}

/** What a label view's fingerprint is called among those of a data set. */
export function labelFingerprint(labels: string): string {
  return `label view ${labels}`
}

/** Of what a model's inputs mean alone. */
export function featureFingerprints(
  service: string,
  features: ResolvedFeatures,
): Readonly<Record<string, string>> {
  return {
    ...Object.fromEntries(features.views.map((view) => [`view ${view.name}`, view.fingerprint])),
    [`service ${service}`]: digestOf(
      features.features.map(({ view, feature, column }) => [view, feature, column]),
    ),
  }
}

function signatureOf(features: ResolvedFeatures, labels: ResolvedLabels): DatasetInfo['signature'] {
  return {
    inputs: features.features.map(({ column, type }) => ({ name: column, ...kindOf(type), nullable: true })),
    output: { name: labels.label, type: labels.type === 'string' ? 'string' : 'double', nullable: false },
  }
}

function kindOf(type: Type): Pick<ColumnType, 'type'> {
  if (!isPrimitive(type)) return { type: 'tensor' }
  return { type: type === 'string' || type === 'uuid' ? 'string' : 'double' }
}
