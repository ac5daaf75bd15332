import { defineQuery, defineSignal, setHandler, uuid4, workflowInfo } from '@temporalio/workflow'
import { SPLITS } from '../schemas/lake-tables.js'
import { readCurve } from '../schemas/learning-curve.js'
import type {
  LearningPoint,
  TrainedModel,
  TrainingPin,
  TrainingRequest,
  TrainModelInput,
  TrainModelResult,
} from '../schemas/model-messages.js'
import { readTrainModelInput } from '../schemas/validate-input.js'
import { LEARNING_QUERY, LEARNING_SIGNAL } from '../schemas/workflow-names.js'
import { control, data, train } from './activity-groups.js'
import { startProgress, type Progress } from './progress.js'
import { readInput } from './read-input.js'
import { REGISTER_STEPS, registerTrained } from './register-trained.js'
import { withReplans } from './replan.js'
import { runInfo } from './run-info.js'
import { trainExternalRun } from './train-external.js'
import { trainHere } from './train-here.js'
import { curveText, headline } from './training-words.js'

const learningSignal = defineSignal<[readonly LearningPoint[]]>(LEARNING_SIGNAL)
const learningQuery = defineQuery<readonly LearningPoint[]>(LEARNING_QUERY)

/**
 * Trains one version of a model:
 * 1. pin: resolve the tag to snapshot ids and the definition, which every later step reads;
 * 2. split: rows that have no split yet get one, so that all trainings of this split see the same;
 * 3. data set: observations with their features as they were known, with digests;
 * 4. train: in a process of its own that goes on from its last checkpoint, measured beside baselines; or by an external
 *    trainer on its own task queue;
 * 5. register: a READY version with its lineage, and tags that keep its inputs; not with `register: false`;
 * 6. mirror: to MLflow, where it is configured; a server that is down is caught up with later.
 *
 * Queries `status` and `learningCurve`. A cancel before step 5 leaves scratch files, which maintenance removes, and a run
 * that is KILLED.
 */
export async function trainModel(input: TrainModelInput): Promise<TrainModelResult> {
  const given = readInput(readTrainModelInput, input)
  const summary = `${given.pipeline} ${given.model}`
  const register = given.register ?? true
  const progress = startProgress({ pipeline: given.pipeline }, [
    ...['pin', 'split', 'data set', 'train'],
    ...(register ? REGISTER_STEPS : []),
  ])
  showCurve(progress)
  // As MLflow's run ids look; kept over retries of the activities, new in each run of the workflow.
  const runId = uuid4().replaceAll('-', '')
  const tables = await progress.step(
    'pin',
    () => control.pinTraining.executeWithOptions({ summary }, [given]),
    (resolved) => `${resolved.tag}, seed ${resolved.seed}, ${resolved.estimator}`,
  )
  const pin = await splitStep(tables, progress)
  const dataset = await progress.step(
    'data set',
    () => train.buildDataset.executeWithOptions({ summary: `${summary} at ${pin.tag}` }, [{ pin }]),
    (built) => `${built.rows} rows, ${built.features} features`,
  )
  const request: TrainingRequest = {
    ...{ pin, dataset, runId, run: runInfo(), tell: listeners(given) },
    ...(given.parentRunId === undefined ? {} : { parentRunId: given.parentRunId }),
  }
  const trained = await progress.step('train', () => trainBy(request), headline)
  const result: TrainModelResult = {
    ...{ pipeline: pin.pipeline, model: pin.model },
    ...{ runId, pin, dataset, trained },
  }
  const version = register ? await registerTrained(result, progress) : undefined
  progress.finish('done')
  return version === undefined ? result : { ...result, version }
}

function showCurve(progress: Progress): void {
  let curve: readonly LearningPoint[] = []
  setHandler(learningSignal, (points) => {
    curve = readCurve(points)
    progress.tell('train', { note: curveText(curve) })
  })
  setHandler(learningQuery, () => curve, { description: 'Loss by epoch of the training so far.' })
}

async function splitStep(pin: TrainingPin, progress: Progress): Promise<TrainingPin> {
  const { pipeline, split, snapshots, tag, asOf } = pin
  if (split === undefined) {
    progress.skip('split', 'the model has none')
    return pin
  }
  const extended = await progress.step(
    'split',
    () =>
      withReplans(() =>
        data.extendSplit.executeWithOptions({ summary: split }, [
          { input: { pipeline, split, pin: { tag, snapshots, asOf } }, run: runInfo() },
        ]),
      ),
    (done) => `${split}: ${done.added} new rows`,
  )
  const { snapshotId } = extended
  return snapshotId === null
    ? pin
    : { ...pin, snapshots: { ...snapshots, [`${SPLITS.namespace}.${SPLITS.name}`]: snapshotId } }
}

function trainBy(request: TrainingRequest): Promise<TrainedModel> {
  const { pipeline, model, tag, definition } = request.pin
  const summary = `${pipeline} ${model} at ${tag}`
  return definition.kind === 'external'
    ? trainExternalRun(request, definition, summary)
    : trainHere(request, summary)
}

/** This workflow, and the trainer that started it; a search has many trainings and no curve of its own. */
function listeners({ parentRunId }: TrainModelInput): readonly string[] {
  const { workflowId, parent } = workflowInfo()
  return parent === undefined || parentRunId !== undefined ? [workflowId] : [workflowId, parent.workflowId]
}
