import { defineQuery, defineSignal, setHandler, uuid4, workflowInfo } from '@temporalio/workflow'
import type {
  LearningPoint,
  TrainedModel,
  TrainingPin,
  TrainModelInput,
  TrainModelResult,
} from '../schemas/model-messages.js'
import { SPLITS } from '../schemas/lake-tables.js'
import { readTrainModelInput } from '../schemas/validate-input.js'
import { LEARNING_QUERY, LEARNING_SIGNAL } from '../schemas/workflow-names.js'
import { control, data, external, train } from './activity-groups.js'
import { startProgress } from './progress.js'
import { readInput } from './read-input.js'
import { runInfo } from './run-info.js'
import { withReplans } from './replan.js'

const learningSignal = defineSignal<[readonly LearningPoint[]]>(LEARNING_SIGNAL)
const learningQuery = defineQuery<readonly LearningPoint[]>(LEARNING_QUERY)

/**
 * Trains one version of a model:
 * 1. pin: resolve the tag to snapshot ids and the definition, which every later step reads;
 * 2. split: rows that have no split yet get one, so that all trainings of this split see the same;
 * 3. data set: observations with their features as they were known, with digests;
 * 4. train: in a process of its own that goes on from its last checkpoint, measured beside baselines;
 * 5. register: a READY version with its lineage, and tags that keep its inputs; not with `register: false`;
 * 6. mirror: to MLflow, where it is configured; a server that is down is caught up with later.
 *
 * Queries `status` and `learningCurve`. A cancel before step 5 leaves scratch files, which maintenance removes, and a run
 * that says so.
 */
export async function trainModel(input: TrainModelInput): Promise<TrainModelResult> {
  const given = readInput(readTrainModelInput, input)
  const summary = `${given.pipeline} ${given.model}`
  const register = given.register ?? true
  const progress = startProgress({ pipeline: given.pipeline }, [
    ...['pin', 'split', 'data set', 'train'],
    ...(register ? ['register', 'mirror'] : []),
  ])
  let curve: readonly LearningPoint[] = []
  setHandler(learningSignal, (points) => void (curve = points))
  setHandler(learningQuery, () => curve, { description: 'Loss by epoch of the training so far.' })
  // As MLflow's run ids look; kept over retries of the activities, new in each run of the workflow.
  const runId = uuid4().replaceAll('-', '')
  const tables = await progress.step(
    'pin',
    () => control.pinTraining.executeWithOptions({ summary }, [given]),
    (resolved) => `${resolved.tag}, seed ${resolved.seed}, ${resolved.estimator}`,
  )
  const pin = await splitStep(tables)
  const dataset = await progress.step(
    'data set',
    () => train.buildDataset.executeWithOptions({ summary: `${summary} at ${pin.tag}` }, [{ pin }]),
    (built) => `${built.rows} rows, ${built.features} features`,
  )
  const { workflowId, parent } = workflowInfo()
  const training = {
    pin,
    dataset,
    runId,
    run: runInfo(),
    tell: [workflowId, ...(parent ? [parent.workflowId] : [])],
  }
  const inputs = given.parentRunId === undefined ? training : { ...training, parentRunId: given.parentRunId }
  const trained = await progress.step(
    'train',
    () => runTraining(),
    (done) => headline(done),
  )
  curve = trained.curve
  const result = { pipeline: pin.pipeline, model: pin.model, runId, pin, dataset, trained }
  if (!register) {
    progress.finish('done')
    return result
  }
  const version = await progress.step(
    'register',
    () =>
      control.registerVersion.executeWithOptions({ summary }, [
        { pin, dataset, trained, runId, run: runInfo() },
      ]),
    (registered) => `version ${registered}`,
  )
  await progress.step(
    'mirror',
    () => control.mirrorRegistry.executeWithOptions({ summary }, []),
    (mirrored) => mirrored.note,
  )
  progress.finish('done')
  return { ...result, version }

  async function splitStep(unsplit: TrainingPin): Promise<TrainingPin> {
    const { split, tag, snapshots, asOf } = unsplit
    if (split === undefined) {
      progress.skip('split', 'the model has none')
      return unsplit
    }
    const extended = await progress.step(
      'split',
      () =>
        withReplans(() =>
          data.extendSplit.executeWithOptions({ summary: split }, [
            { input: { pipeline: unsplit.pipeline, split, pin: { tag, snapshots, asOf } }, run: runInfo() },
          ]),
        ),
      (done) => `${split}: ${done.added} new rows`,
    )
    if (extended.snapshotId === null) return unsplit
    return {
      ...unsplit,
      snapshots: { ...snapshots, [`${SPLITS.namespace}.${SPLITS.name}`]: extended.snapshotId },
    }
  }

  function runTraining(): Promise<TrainedModel> {
    const options = { summary: `${summary} at ${pin.tag}` }
    if (pin.definition.kind === 'external') {
      return external(pin.definition.taskQueue).trainExternal.executeWithOptions(options, [inputs])
    }
    return train.runTraining.executeWithOptions(options, [inputs])
  }
}

function headline({ metrics, baseline, baselineName }: TrainedModel): string {
  const key = ['test/roc_auc', 'test/mae', 'test/log_loss', 'cv_roc_auc_mean', 'cv_mae_mean'].find(
    (candidate) => metrics[candidate] !== undefined,
  )
  if (key === undefined) return 'measured'
  return `${key} ${metrics[key]?.toFixed(3) ?? ''} (${baselineName} ${baseline[key]?.toFixed(3) ?? 'undefined'})`
}
