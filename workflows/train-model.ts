import type { TrainModelInput, TrainModelResult } from '../schemas/messages.js'
import { readTrainModelInput } from '../schemas/validate-input.js'
import { control, train } from './activity-groups.js'
import { startProgress } from './progress.js'
import { readInput } from './read-input.js'

/**
 * Trains one version of a model:
 * 1. pin: resolve the tag to snapshot ids, which every later step reads;
 * 2. data set: features and labels at the pin, with a digest;
 * 3. train: in a process of its own, with held-out metrics beside a baseline;
 * 4. register: a READY version with its lineage, and tags that keep its inputs.
 *
 * Query `status`. A cancel before step 4 leaves a data set and an artifact that no version names.
 */
export async function trainModel(input: TrainModelInput): Promise<TrainModelResult> {
  const given = readInput(readTrainModelInput, input)
  const summary = `${given.pipeline} ${given.model}`
  const progress = startProgress({ pipeline: given.pipeline }, ['pin', 'data set', 'train', 'register'])
  const pin = await progress.step(
    'pin',
    () => control.resolvePin.executeWithOptions({ summary }, [given]),
    (resolved) => `${resolved.tag}, seed ${resolved.seed}`,
  )
  const dataset = await progress.step(
    'data set',
    () => train.buildDataset.executeWithOptions({ summary: `${summary} at ${pin.tag}` }, [{ pin }]),
    (built) => `${built.rows} rows, ${built.features} features`,
  )
  const trained = await progress.step(
    'train',
    () => train.runTraining.executeWithOptions({ summary: `${summary} at ${pin.tag}` }, [{ pin, dataset }]),
    (done) => `AUC ${figure(done.metrics.auc)} (baseline ${figure(done.baseline.auc)})`,
  )
  const version = await progress.step(
    'register',
    () => control.registerModel.executeWithOptions({ summary }, [{ pin, dataset, trained }]),
    (registered) => `version ${registered}`,
  )
  progress.finish('done')
  return { pipeline: pin.pipeline, model: pin.model, version, pin, dataset, trained }
}

/** NaN, as JSON has it, is null. */
function figure(value: number | null): string {
  return value === null || Number.isNaN(value) ? 'undefined' : value.toFixed(3)
}
