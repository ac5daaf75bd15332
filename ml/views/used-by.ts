import { FirnError } from '../../schemas/error.js'
import type { FeatureServiceDefinition, RowsFrom } from '../../schemas/feature-definitions.js'
import type { DatasetInfo, TrainingPin } from '../../schemas/model-messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { resolveFeatures } from './resolve-features.js'

/** A registered version, as far as it says what it was trained on. */
export interface TrainedOn {
  readonly model: string
  readonly version: number
  readonly pin: Pick<TrainingPin, 'pipeline' | 'snapshots' | 'service' | 'labels'>
  readonly dataset: Pick<DatasetInfo, 'fingerprints' | 'signature'>
}

export interface Used {
  readonly kind: 'table' | 'feature-view' | 'label-view' | 'feature'
  readonly pipeline: string
  /** `namespace.table`, `view` or `view:feature`. */
  readonly name: string
}

/** What would notice if a table, a view or a feature changed. Definitions as they are now, versions as they were trained. */
export interface UsedBy extends Used {
  readonly featureViews: readonly string[]
  readonly labelViews: readonly string[]
  readonly services: readonly string[]
  readonly splits: readonly string[]
  readonly models: readonly string[]
  readonly versions: readonly { readonly model: string; readonly version: number }[]
}

/** One answer a thing of that name: pipelines may share names. `not-found` where none has it. */
export function usedBy(
  pipelines: ReadonlyMap<string, Pipeline>,
  versions: readonly TrainedOn[],
  reference: string,
): readonly UsedBy[] {
  const found = [...pipelines.values()].flatMap((pipeline) =>
    thingsNamed(pipeline, reference).map((thing) => usersOf(pipeline, versions, thing)),
  )
  if (found.length > 0) return found
  const views = [...pipelines.values()].flatMap((pipeline) => [
    ...Object.keys(pipeline.featureViews ?? {}),
    ...Object.keys(pipeline.labelViews ?? {}),
  ])
  throw new FirnError(
    'not-found',
    `there is no table, view or feature "${reference}"; views are: ${views.join(', ') || 'none'}. Say namespace.table, view, or view:feature.`,
  )
}

interface Thing extends Used {
  readonly table?: string
  readonly view?: string
  readonly feature?: string
}

function thingsNamed(pipeline: Pipeline, reference: string): readonly Thing[] {
  const { name: of, namespace, tables, featureViews = {}, labelViews = {} } = pipeline
  const [view = '', feature] = reference.split(':')
  if (feature !== undefined && feature !== '*') {
    const known =
      Object.hasOwn(featureViews, view) && Object.hasOwn(featureViews[view]?.schema ?? {}, feature)
    return known ? [{ kind: 'feature', pipeline: of, name: reference, view, feature }] : []
  }
  const table = view.startsWith(`${namespace}.`) ? view.slice(namespace.length + 1) : view
  return [
    ...(Object.hasOwn(featureViews, view)
      ? [{ kind: 'feature-view', pipeline: of, name: view, view } as const]
      : []),
    ...(Object.hasOwn(labelViews, view)
      ? [{ kind: 'label-view', pipeline: of, name: view, view } as const]
      : []),
    ...(feature === undefined && Object.hasOwn(tables, table)
      ? [{ kind: 'table', pipeline: of, name: `${namespace}.${table}`, table } as const]
      : []),
  ]
}

function usersOf(pipeline: Pipeline, versions: readonly TrainedOn[], thing: Thing): UsedBy {
  const { featureViews = {}, labelViews = {}, featureServices = {}, splits = {} } = pipeline
  const { kind, name, table, view, feature } = thing
  const reads = (rows: RowsFrom): boolean =>
    table !== undefined && ('table' in rows ? rows.table === table : rows.reads.includes(table))
  const named = <T>(all: Readonly<Record<string, T>>, uses: (one: T) => boolean): readonly string[] =>
    Object.entries(all).flatMap(([one, definition]) => (uses(definition) ? [one] : []))
  const ownViews = kind === 'table' ? named(featureViews, reads) : kind === 'label-view' ? [] : [view ?? '']
  const ownLabels = kind === 'table' ? named(labelViews, reads) : kind === 'label-view' ? [view ?? ''] : []
  const services = named(featureServices, (service) => servesFrom(pipeline, service, ownViews, feature))
  const models = named(
    pipeline.models ?? {},
    (model) => services.includes(model.service) || ownLabels.includes(model.labels),
  )
  const saw = versions.filter(
    (version) =>
      version.pin.pipeline === pipeline.name &&
      (table === undefined
        ? sawView(version, view ?? '', feature)
        : Object.hasOwn(version.pin.snapshots, `${pipeline.namespace}.${table}`)),
  )
  return {
    ...{ kind, pipeline: pipeline.name, name },
    featureViews: kind === 'table' ? ownViews : [],
    labelViews: kind === 'table' ? ownLabels : [],
    services,
    splits: named(splits, ({ labels }) => ownLabels.includes(labels)),
    models,
    versions: saw.map(({ model, version }) => ({ model, version })),
  }
}

function servesFrom(
  pipeline: Pipeline,
  { features, fullFeatureNames = false }: FeatureServiceDefinition,
  views: readonly string[],
  feature: string | undefined,
): boolean {
  return resolveFeatures(pipeline, features, { fullFeatureNames }).features.some(
    (one) => views.includes(one.view) && (feature === undefined || one.feature === feature),
  )
}

/** A column is named after its feature, alone or with its view. */
function sawView({ dataset }: TrainedOn, view: string, feature: string | undefined): boolean {
  const saw = [`view ${view}`, `label view ${view}`].some((name) => Object.hasOwn(dataset.fingerprints, name))
  if (!saw) return false
  const columns = [feature, `${view}__${feature ?? ''}`]
  return feature === undefined || dataset.signature.inputs.some(({ name }) => columns.includes(name))
}
