import { compareBatches } from '../../schemas/batch.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ModelRegistry } from '../registry/model-registry.js'
import { resolveLabels } from '../views/resolve-features.js'
import { batchOfTag } from './pin-training.js'

/** Models whose `trainAfterBatches` batches were published since the one that their newest version was trained at. */
export async function listDueTrainings(
  deps: Pick<LakeDeps, 'catalog' | 'pipelines'>,
  registry: Pick<ModelRegistry, 'newestReady'>,
  pipelineName: string,
): Promise<readonly string[]> {
  const pipeline = findPipeline(deps.pipelines, pipelineName)
  const due: string[] = []
  for (const [model, { trainAfterBatches, labels }] of Object.entries(pipeline.models ?? {})) {
    if (trainAfterBatches === undefined) continue
    const [table] = resolveLabels(pipeline, labels).tables
    if (table === undefined) continue
    const { metadata } = await deps.catalog.loadTable(table)
    const trainedAt = batchOfTag(registry.newestReady(model)?.pin.tag ?? '')
    const since = Object.keys(metadata.refs).filter((tag) => {
      const batch = batchOfTag(tag)
      return batch !== undefined && (trainedAt === undefined || compareBatches(batch, trainedAt) > 0)
    })
    if (since.length >= trainAfterBatches) due.push(model)
  }
  return due.sort()
}
