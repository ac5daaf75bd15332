import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { SourceDefinition } from '../../schemas/pipeline.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import { DocumentProblem } from '../land/document-problem.js'
import { RecordContract } from '../land/record-contract.js'
import type { NamedSource } from '../land/source-of.js'
import { maxDocumentBytesOf } from '../land/source-of.js'
import type { LetterWithRaw } from './read-letters.js'

/** The source as it is declared now. Of several pipelines that read it, all have to declare the same, or one is named. */
export function sourceNow(
  deps: Pick<LakeDeps, 'pipelines'>,
  source: string,
  pipelineName?: string,
): NamedSource {
  const readers = [...deps.pipelines.values()].flatMap((pipeline) => {
    const definition = Object.hasOwn(pipeline.sources, source) ? pipeline.sources[source] : undefined
    return definition === undefined ? [] : [{ pipeline, name: source, definition }]
  })
  const named = readers.filter(({ pipeline }) => pipelineName === undefined || pipeline.name === pipelineName)
  const [first, ...others] = named
  if (first === undefined) {
    const known = [...deps.pipelines.values()].flatMap((pipeline) => Object.keys(pipeline.sources))
    throw new FirnError(
      'not-found',
      `no ${pipelineName === undefined ? 'pipeline' : `pipeline ${pipelineName} that`} reads a source ${source}. ` +
        `Known sources: ${[...new Set(known)].join(', ') || 'none'}. FIRN_PIPELINES names the folders that are looked in.`,
    )
  }
  const contract = textOf(first.definition)
  const differing = others.filter(({ definition }) => textOf(definition) !== contract)
  if (differing.length === 0) return first
  const names = named.map(({ pipeline }) => pipeline.name).join(', ')
  throw new FirnError(
    'invalid-input',
    `pipelines ${names} declare source ${source} differently: say whose contract counts, with --pipeline`,
  )
}

function textOf(definition: SourceDefinition): string {
  return canonicalJson(JSON.parse(JSON.stringify(definition)))
}

export function contractOf({ definition }: NamedSource): RecordContract {
  return new RecordContract({
    fields: parseDocumentSchema(definition.schema).fields,
    identity: definition.identity,
    ...(definition.contract === undefined ? {} : { contract: definition.contract }),
    ...(definition.eventTime === undefined ? {} : { eventTime: definition.eventTime }),
    maxDocumentBytes: maxDocumentBytesOf(definition),
  })
}

/** Why the record still breaks its contract, by the contract as it is now; undefined: it keeps it. */
export function problemOf(contract: RecordContract, letter: LetterWithRaw): DocumentProblem | undefined {
  const lost = unreadableEnd(letter)
  if (lost !== undefined) return lost
  try {
    contract.read(letter.raw)
    return undefined
  } catch (error) {
    if (error instanceof DocumentProblem) return error
    throw error
  }
}

/** What no change of a contract mends: the record, or the end of it, is not there. */
function unreadableEnd({ kind, message, raw }: LetterWithRaw): DocumentProblem | undefined {
  if (kind === 'no-value' || kind === 'unreadable') return new DocumentProblem(kind, message)
  const size = kind === 'too-large' ? Number(/^(\d+) bytes/.exec(message)?.[1] ?? raw.length) : raw.length
  if (size <= raw.length) return undefined
  return new DocumentProblem(
    'too-large',
    `only the first ${raw.length} of its ${size} bytes were kept; land its file again under another name`,
  )
}
