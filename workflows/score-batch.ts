import type { ScoreBatchInput, ScoreBatchResult } from '../schemas/model-messages.js'
import { readScoreBatchInput } from '../schemas/validate-input.js'
import { data } from './activity-groups.js'
import { logicalBatch } from './logical-batch.js'
import { startProgress } from './progress.js'
import { readInput } from './read-input.js'
import { withReplans } from './replan.js'
import { runInfo } from './run-info.js'

/**
 * Scores a pipeline's entities with a READY model version at one tag, and publishes the predictions:
 * 1. score: features at the tag, predictions, one publish by dynamic partition overwrite.
 *
 * Query `status`. A cancel before the publish leaves unnamed files, which maintenance removes.
 */
export async function scoreBatch(input: ScoreBatchInput): Promise<ScoreBatchResult> {
  const given = readInput(readScoreBatchInput, input)
  const batch = given.batch ?? logicalBatch()
  const progress = startProgress({ pipeline: given.pipeline, batch }, ['score'])
  const result = await progress.step(
    'score',
    () =>
      withReplans(() =>
        data.scoreBatch.executeWithOptions({ summary: `${given.model} ${given.at ?? batch}` }, [
          { input: { ...given, batch }, run: runInfo() },
        ]),
      ),
    (scored) => `${scored.rows} predictions by version ${scored.version} at ${scored.featuresTag}`,
  )
  progress.finish(result.status === 'published' ? 'done' : 'no_changes')
  return result
}
