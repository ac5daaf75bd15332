import type { RowsFrom } from '../../schemas/feature-definitions.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { DefinitionKind, NamedDefinition } from './definition-history.js'
import { digestOf } from './digest-of.js'
import { resolveFeatures, resolveLabels, resolveService } from './resolve-features.js'

/** Everything that a pipeline says of features, splits and models, with its fingerprints. */
export function definitionsOf(pipeline: Pipeline): readonly NamedDefinition[] {
  const { entities = {}, featureViews = {}, labelViews = {}, featureServices = {} } = pipeline
  const { splits = {}, models = {} } = pipeline
  const all = <T extends object>(
    kind: DefinitionKind,
    named: Readonly<Record<string, T>>,
    fingerprint: (name: string, definition: T) => string,
  ): readonly NamedDefinition[] =>
    Object.entries(named).map(([name, definition]) => ({
      ...{ kind, pipeline: pipeline.name, name, fingerprint: fingerprint(name, definition) },
      definition: withSqlText(pipeline, definition),
    }))
  return [
    ...all('entity', entities, (_, { joinKeys }) => digestOf(joinKeys)),
    ...all('feature-view', featureViews, (name) => viewFingerprint(pipeline, name)),
    ...all('label-view', labelViews, (name) => resolveLabels(pipeline, name).fingerprint),
    ...all('feature-service', featureServices, (name) => resolveService(pipeline, name).fingerprint),
    ...all('split', splits, (_, { labels, method, seed }) => digestOf({ labels, method, seed })),
    ...all('model', models, (_, model) =>
      // Their order is part of it: the first one is the default.
      digestOf({ ...model, estimators: Object.entries(model.estimators) }),
    ),
  ]
}

function viewFingerprint(pipeline: Pipeline, name: string): string {
  return resolveFeatures(pipeline, [`${name}:*`]).views[0]?.fingerprint ?? ''
}

function withSqlText(pipeline: Pipeline, definition: object): NamedDefinition['definition'] {
  const { sql } = definition as Partial<Extract<RowsFrom, { readonly sql: string }>>
  const text = sql === undefined ? undefined : pipeline.sqlTexts[sql]
  return { ...definition, ...(text === undefined ? {} : { sqlText: text }) }
}
