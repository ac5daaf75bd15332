import { FirnError } from '../../schemas/error.js'
import type { SearchPlan, SearchTrial } from '../../schemas/model-messages.js'
import type { FoundModel } from '../models/find-model.js'
import { seededRandom, shuffled } from '../training/seeded-random.js'

/** More than anybody waits for; a space that is larger needs `trials`. */
const TRIALS_MAX = 1000

type Parameters = SearchTrial['parameters']

/** Every combination of a model's search space, or as many of them as it says, drawn by the seed. */
export function planSearch({ name, definition }: FoundModel, seed: number): Omit<SearchPlan, 'at'> {
  const { search, task } = definition
  if (search === undefined) {
    throw new FirnError(
      'config',
      `model "${name}" has no \`search\`. Give it one: an estimator and values to try for its parameters.`,
    )
  }
  const combinations = Object.entries(search.space).reduce<readonly Parameters[]>(
    (sofar, [parameter, values]) =>
      sofar.flatMap((chosen) => values.map((value): Parameters => ({ ...chosen, [parameter]: value }))),
    [{}],
  )
  const count = search.trials ?? combinations.length
  if (count > TRIALS_MAX) {
    throw new FirnError(
      'config',
      `the search of model "${name}" has ${count} trials, more than ${TRIALS_MAX}. Set \`trials\`, or try fewer values.`,
    )
  }
  const drawn =
    count >= combinations.length
      ? combinations
      : shuffled(combinations.length, seededRandom(seed))
          .slice(0, count)
          .map((at) => combinations[at] ?? {})
  const metric = search.metric ?? (task === 'regression' ? 'cv_mae_mean' : 'cv_auc_mean')
  return {
    estimator: search.estimator,
    metric,
    lowerIsBetter: /(mae|rmse|log_loss|brier|loss)(_mean)?$/.test(metric),
    trials: drawn,
  }
}
