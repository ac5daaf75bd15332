import type { PublishedBatch } from './read-batches.js'
import type { PredictionTrace } from './version-lineage.js'

/** The scorings among batches: those named `<pipeline>.score.<model>` that say which version made them. */
export function predictionsOf(batches: readonly PublishedBatch[]): readonly PredictionTrace[] {
  return batches.flatMap(
    ({ processingName, batch, info, tables, workflowId }): readonly PredictionTrace[] => {
      const model = /^[^.]+\.score\.(.+)$/.exec(processingName)?.[1]
      const { version, featuresTag, snapshots } = info
      const [written] = tables
      if (model === undefined || typeof version !== 'number' || written === undefined) return []
      return [
        {
          ...{ model, version, batch, table: written.table, rows: written.rows, snapshot: written.snapshot },
          featuresTag: typeof featuresTag === 'string' ? featuresTag : '',
          snapshots: (snapshots ?? {}) as PredictionTrace['snapshots'],
          workflowId,
        },
      ]
    },
  )
}
