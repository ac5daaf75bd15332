import { ApplicationFailure, uuid4 } from '@temporalio/workflow'
import type { ExternalDefinition } from '../schemas/model-definitions.js'
import type {
  RebuiltDataset,
  RecordedVersion,
  ReproduceInput,
  RetrainedModel,
} from '../schemas/model-messages.js'
import { applicationFailure } from './replan.js'
import { runInfo } from './run-info.js'
import { trainExternal } from './train-external.js'

/** A version's training again by the worker of its task queue, or why there is none; nothing is recorded. */
export async function retrainExternal(
  of: {
    readonly given: ReproduceInput
    readonly recorded: RecordedVersion
    readonly rebuilt: RebuiltDataset
  },
  definition: ExternalDefinition,
): Promise<RetrainedModel> {
  const { given, recorded, rebuilt } = of
  if (rebuilt.kind === 'unavailable')
    return { kind: 'unavailable', reason: 'there is no data set to train on' }
  const pin = { ...recorded.pin, seed: given.seed ?? recorded.pin.seed }
  const request = { pin, dataset: rebuilt.dataset, runId: uuid4(), run: runInfo(), tell: [] }
  try {
    const { weightsDigest, metrics, environment } = await trainExternal(request, definition, given.uri)
    return { kind: 'trained', trained: { weightsDigest, metrics, environment } }
  } catch (error) {
    const failure = error instanceof ApplicationFailure ? error : applicationFailure(error)
    if (failure?.nonRetryable !== true) throw error
    return { kind: 'unavailable', reason: failure.message }
  }
}
