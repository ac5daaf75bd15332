import { WithStartWorkflowOperation, type Workflow } from '@temporalio/client'
import type { VersionLineage } from '../../ml/lineage/version-lineage.js'
import type {
  PromoteRequest,
  PromoteResult,
  ReproduceResult,
  ScoreBatchResult,
  TrainModelResult,
} from '../../schemas/model-messages.js'
import { PROMOTE_UPDATE, TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import type { OwnServerSession } from '../own-server.js'
import type { DemoStep } from './demo-step.js'

const MODEL = { pipeline: 'quantum', model: 'convergence_k10' } as const

export interface DemoModel {
  readonly training: TrainModelResult
  readonly promotion: PromoteResult
  readonly score: ScoreBatchResult
  readonly lineage: VersionLineage
  readonly reproduction: ReproduceResult
}

/** A model trained, offered to its trainer's gate, scored with whatever the gate said, traced back and made again. */
export async function runDemoModel(
  session: OwnServerSession,
  step: DemoStep,
  batch: string | undefined,
): Promise<DemoModel> {
  const { pipeline, model } = MODEL
  const training = await step<TrainModelResult>({
    ...{ title: 'training', workflow: 'trainModel', workflowId: workflowIds.train(pipeline, model) },
    input: { ...MODEL, seed: 1 },
  })
  const { version = 0 } = training
  const promotion = await promote(session, { version, by: 'firn demo' })
  const score = await step<ScoreBatchResult>({
    ...{ title: 'scoring', workflow: 'scoreBatch', workflowId: workflowIds.score(pipeline, model) },
    input: { ...MODEL, batch },
  })
  const uri = `models:/${model}/${version}`
  const reproduction = await step<ReproduceResult>({
    ...{ title: 'making the model again from its pins', workflow: 'reproduceModel' },
    ...{ workflowId: workflowIds.reproduce(uri), input: { uri } },
  })
  const { lake } = session
  const { traceVersion } = await import('../../ml/lineage/trace-version.js')
  const { resolveModelUri } = await import('../../ml/registry/resolve-model-uri.js')
  const lineage = await traceVersion(lake.deps, resolveModelUri(lake.registry, uri))
  return { training, promotion, score, lineage, reproduction }
}

/** Asks the model's trainer, which is started where it does not run, as it would be from Temporal's UI. */
function promote({ client }: OwnServerSession, request: PromoteRequest): Promise<PromoteResult> {
  const { pipeline, model } = MODEL
  return client.workflow.executeUpdateWithStart<Workflow, PromoteResult, [PromoteRequest]>(PROMOTE_UPDATE, {
    args: [request],
    startWorkflowOperation: new WithStartWorkflowOperation('trainer', {
      ...{ workflowId: workflowIds.trainer(pipeline, model), taskQueue: TASK_QUEUES.control },
      ...{ args: [MODEL], workflowIdConflictPolicy: 'USE_EXISTING' },
    }),
  })
}
