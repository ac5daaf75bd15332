import type { Client, WorkflowHandle } from '@temporalio/client'
import { loadPipelines } from '../lake/define/load-pipeline.js'
import { FirnError } from '../schemas/error.js'
import type { TrainerInput, TrainerStatus, TrainRequest } from '../schemas/model-messages.js'
import { readTrainRequest } from '../schemas/validate-input.js'
import { STATUS_QUERY, TASK_QUEUES, TRAIN_SIGNAL, workflowIds } from '../schemas/workflow-names.js'
import { readConfig } from '../workers/config.js'
import { aborted, interruptible } from './interruption.js'
import { pipelineNamed } from './lake.js'
import { curvePrinter } from './print-curve.js'
import { startProgress } from './progress.js'
import { withRunningTemporal } from './temporal-session.js'

const POLL_MS = 250

type Trainer = Pick<TrainerInput, 'pipeline' | 'model'>

/**
 * Sends the signal `train` to a model's trainer, which is started where it does not run, and returns how it stands; with
 * `follow` once it has nothing left to do. Throws `not-found` where there is no such model, or no running server.
 */
export async function requestTraining(
  trainer: Trainer,
  request: TrainRequest,
  { follow = false }: { readonly follow?: boolean } = {},
): Promise<TrainerStatus> {
  readTrainRequest(request)
  await refuseUnknown(trainer)
  return withRunningTemporal(async ({ client }) => {
    const handle = await signalTrainer(client, trainer, request)
    return follow
      ? await interruptible((signal) => followTrainer(handle, trainer, signal))
      : askStatus(handle)
  })
}

async function signalTrainer(
  client: Client,
  { pipeline, model }: Trainer,
  request: TrainRequest,
): Promise<WorkflowHandle> {
  const workflowId = workflowIds.trainer(pipeline, model)
  await client.workflow.signalWithStart('trainer', {
    ...{ workflowId, taskQueue: TASK_QUEUES.control, args: [{ pipeline, model }] },
    ...{ signal: TRAIN_SIGNAL, signalArgs: [request] },
    staticSummary: `trainer of ${model}`,
  })
  // Without a run: it goes on as new.
  return client.workflow.getHandle(workflowId)
}

async function followTrainer(
  handle: WorkflowHandle,
  { model }: Trainer,
  signal: AbortSignal,
): Promise<TrainerStatus> {
  const progress = startProgress(`train ${model}`)
  const [stop, printCurve] = [aborted(signal), curvePrinter()]
  for (;;) {
    const status = await askStatus(handle)
    if (!status.running && status.pending === undefined) {
      if (status.lastError === undefined) progress.done()
      else progress.failed()
      return status
    }
    await printCurve(handle)
    progress.update(status.pending === undefined ? 'training' : 'training, and one more waits')
    await Promise.race([stop, new Promise((resolve) => setTimeout(resolve, POLL_MS).unref())])
    if (signal.aborted) {
      throw new FirnError('cancelled', `stopped watching; ${handle.workflowId} goes on.`)
    }
  }
}

function askStatus(handle: WorkflowHandle): Promise<TrainerStatus> {
  return handle.query<TrainerStatus>(STATUS_QUERY)
}

async function refuseUnknown({ pipeline, model }: Trainer): Promise<void> {
  const { models = {} } = pipelineNamed(await loadPipelines(readConfig().pipelineFolders), pipeline)
  if (model in models) return
  throw new FirnError(
    'not-found',
    `pipeline ${pipeline} has no model ${JSON.stringify(model)}. Known: ${Object.keys(models).join(', ') || 'none'}.`,
  )
}
