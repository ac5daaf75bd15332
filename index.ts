export { definePipeline, jsonSource, table } from './lake/define/define-pipeline.js'
export { FirnError } from './schemas/error.js'
export type { FirnErrorKind } from './schemas/error.js'
export type {
  CheckDefinition,
  ContractMode,
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
  WindowDefinition,
  WriteMode,
} from './schemas/pipeline.js'
