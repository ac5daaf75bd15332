import type {
  EntityDefinition,
  FeatureServiceDefinition,
  FeatureViewDefinition,
  LabelViewDefinition,
  SplitDefinition,
} from '../../schemas/feature-definitions.js'
import type { ModelDefinition } from '../../schemas/model-definitions.js'

/** What features are about; says its type where it is written, as all of these do. */
export function entity(definition: EntityDefinition): EntityDefinition {
  return definition
}

/** Features of an entity over time, from a table or from SQL. */
export function featureView(definition: FeatureViewDefinition): FeatureViewDefinition {
  return definition
}

/** What is to be predicted, and for which rows. */
export function labelView(definition: LabelViewDefinition): LabelViewDefinition {
  return definition
}

/** The features of one kind of model, in their order. */
export function featureService(definition: FeatureServiceDefinition): FeatureServiceDefinition {
  return definition
}

/** How the rows of a label view are assigned to train, val and test. */
export function split(definition: SplitDefinition): SplitDefinition {
  return definition
}

/** A model to train and to score with. */
export function model(definition: ModelDefinition): ModelDefinition {
  return definition
}
