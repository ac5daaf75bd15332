import type { ReproduceInput, ReproduceResult } from '../schemas/model-messages.js'
import { readReproduceInput } from '../schemas/validate-input.js'
import { control, train } from './activity-groups.js'
import { startProgress } from './progress.js'
import { readInput } from './read-input.js'
import { retrainExternal } from './retrain-external.js'

/**
 * Makes a model version again from its pins and compares:
 * 1. version: its pin, digests and metrics as they were registered;
 * 2. data set: from the pinned snapshots by the definitions of today;
 * 3. train: with the recorded seed, threads and settings, into scratch;
 * 4. compare: a verdict each for data, weights and metrics.
 * A part that cannot be made any more says why, and the others are judged all the same.
 *
 * Query `status`. Nothing of the version changes; a cancel leaves scratch files.
 */
export async function reproduceModel(input: ReproduceInput): Promise<ReproduceResult> {
  const given = readInput(readReproduceInput, input)
  const progress = startProgress({}, ['version', 'data set', 'train', 'compare'])
  const summary = given.uri
  const recorded = await progress.step(
    'version',
    () => control.findVersion.executeWithOptions({ summary }, [given]),
    (found) => `${found.model} v${found.version}, ${found.pin.tag}`,
  )
  const rebuilt = await progress.step(
    'data set',
    () => {
      const { pin, dataset } = recorded
      const inputs = dataset.inputs === undefined ? {} : { inputs: dataset.inputs }
      return train.rebuildDataset.executeWithOptions({ summary }, [{ pin, ...inputs }])
    },
    (found) => (found.kind === 'built' ? `${found.dataset.rows} rows` : found.reason),
  )
  const retrained = await progress.step(
    'train',
    () =>
      recorded.pin.definition.kind === 'external'
        ? retrainExternal({ given, recorded, rebuilt }, recorded.pin.definition)
        : train.retrain.executeWithOptions({ summary }, [{ given, recorded, rebuilt }]),
    (found) => (found.kind === 'trained' ? found.trained.weightsDigest.slice(0, 12) : found.reason),
  )
  const result = await progress.step(
    'compare',
    () =>
      control.compareReproduction.executeWithOptions({ summary }, [{ given, recorded, rebuilt, retrained }]),
    (compared) => compared.verdict,
  )
  progress.finish(result.verdict === 'identical' ? 'done' : 'failed')
  return result
}
