import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { SourceDefinition } from '../../schemas/pipeline.js'
import { contractOf, problemOf, sourceNow } from './letter-contract.js'
import type { LetterId } from './letter-id.js'
import { formatLetterId } from './letter-id.js'
import type { LetterWithRaw } from './read-letters.js'
import { LETTER_COLUMNS, LETTER_ORDER, loadLetters, queryLetters, toLetterWithRaw } from './read-letters.js'

export interface ShownLetter extends LetterWithRaw {
  /** The contract as it is now; null where no pipeline reads the source any longer, or several declare it differently. */
  readonly contract: (SourceDefinition & { readonly pipeline: string }) | null
  /** Why a replay would leave it where it is; null: a replay lands it. Undefined where there is no contract. */
  readonly breaks?: { readonly kind: string; readonly message: string; readonly documentPath: string } | null
}

/**
 * Everything about the letters of one id: one, but for letters of 0.1, of which two folders may have the same id. Errors:
 * FirnError `not-found`.
 */
export async function showLetter(
  deps: LakeDeps,
  id: LetterId,
  pipeline?: string,
): Promise<readonly ShownLetter[]> {
  const table = await loadLetters(deps)
  const sql = `SELECT ${LETTER_COLUMNS}, raw FROM letters ORDER BY ${LETTER_ORDER} LIMIT 20`
  const rows = table === undefined ? [] : await queryLetters(deps, table, { ids: [id] }, sql)
  if (rows.length === 0) throw noSuchLetters([id])
  return rows.map(toLetterWithRaw).map((letter) => ({ ...letter, ...judged(deps, letter, pipeline) }))
}

export function noSuchLetters(ids: readonly LetterId[]): FirnError {
  const names = ids.slice(0, 5).map(formatLetterId).join(', ')
  const more = ids.length > 5 ? ` and ${ids.length - 5} more` : ''
  return new FirnError(
    'not-found',
    `there is no dead letter ${names}${more}: replayed or dropped since, or never there. \`firn dead-letters list\` shows what is.`,
  )
}

function judged(
  deps: LakeDeps,
  letter: LetterWithRaw,
  pipelineName?: string,
): Pick<ShownLetter, 'contract' | 'breaks'> {
  try {
    const source = sourceNow(deps, letter.source, pipelineName)
    const problem = problemOf(contractOf(source), letter)
    return {
      contract: { ...source.definition, pipeline: source.pipeline.name },
      breaks:
        problem === undefined
          ? null
          : { kind: problem.kind, message: problem.message, documentPath: problem.path },
    }
  } catch (error) {
    if (error instanceof FirnError) return { contract: null }
    throw error
  }
}
