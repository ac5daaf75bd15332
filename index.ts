export { definePipeline, jsonSource, table } from './lake/define/define-pipeline.js'
export {
  entity,
  featureService,
  featureView,
  labelView,
  model,
  split,
} from './lake/define/typed-definitions.js'
export { FirnError } from './schemas/error.js'
export type { FirnErrorKind } from './schemas/error.js'
export type {
  EntityDefinition,
  FeatureServiceDefinition,
  FeatureViewDefinition,
  Fractions,
  LabelViewDefinition,
  SplitDefinition,
} from './schemas/feature-definitions.js'
export type {
  EstimatorDefinition,
  ModelDefinition,
  ModelTask,
  PreprocessingStep,
} from './schemas/model-definitions.js'
export type {
  CheckDefinition,
  ContractMode,
  DocumentSchema,
  PartitionExpression,
  Pipeline,
  PipelineDefinition,
  ScheduleDefinition,
  SourceDefinition,
  TableDefinition,
  TableSchema,
  WindowDefinition,
  WriteMode,
} from './schemas/pipeline.js'
