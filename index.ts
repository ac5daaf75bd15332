export { definePipeline, jsonSource, table } from './lake/define/define-pipeline.js'
export { FirnError } from './schemas/error.js'
export type { FirnErrorKind } from './schemas/error.js'
export type {
  CheckDefinition,
  DocumentSchema,
  ModelDefinition,
  NetworkDefinition,
  PartitionExpression,
  Pipeline,
  PipelineDefinition,
  ScheduleDefinition,
  SourceDefinition,
  TableDefinition,
  TableSchema,
  WriteMode,
} from './schemas/pipeline.js'
