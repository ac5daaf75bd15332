import { FirnError } from '../../../schemas/error.js'
import type { PreprocessingStep } from '../../../schemas/model-definitions.js'
import {
  byName,
  categoriesOf,
  chosenColumns,
  mapColumns,
  type Fitting,
  type Frame,
  type FrameColumn,
} from './frame.js'

/** Categories seen in training, ordered by UTF-16 code units: a 0/1 column `<name>=<category>` each. */
export interface OneHotParameters {
  readonly columns: readonly { readonly name: string; readonly categories: readonly string[] }[]
}

/** More are an identifier rather than a category, and would take gigabytes. */
const CATEGORIES_MAX = 1_000

export function fitOneHot(
  step: Extract<PreprocessingStep, { step: 'one-hot' }>,
  { frame }: Fitting,
): OneHotParameters {
  const columns = chosenColumns(frame, step, ['category']).map((name) => {
    const seen = new Set(categoriesOf(frame, name))
    seen.delete(null)
    const categories = [...seen].filter((category) => category !== null).sort()
    if (categories.length <= CATEGORIES_MAX) return { name, categories }
    throw new FirnError(
      'training-failed',
      `column ${name} has ${categories.length} categories in ${frame.rows} training rows; one-hot takes at most ${CATEGORIES_MAX}. Use the step target-encode for it, or leave it out of the feature service.`,
    )
  })
  return { columns }
}

export function applyOneHot({ columns }: OneHotParameters, frame: Frame): Frame {
  return mapColumns(frame, byName(columns), ({ name }, { categories }) => {
    const made = categories.map((category) => ({ category, values: new Float64Array(frame.rows) }))
    const byCategory = new Map(made.map(({ category, values }) => [category, values]))
    categoriesOf(frame, name).forEach((category, row) => {
      const values = category === null ? undefined : byCategory.get(category)
      if (values !== undefined) values[row] = 1
    })
    return made.map(({ category, values }): FrameColumn => {
      return { kind: 'number', name: `${name}=${category}`, values, flag: true }
    })
  })
}
