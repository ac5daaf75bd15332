import { FirnError } from '../../schemas/error.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Pipeline, SourceDefinition } from '../../schemas/pipeline.js'

export interface NamedSource {
  readonly pipeline: Pipeline
  readonly name: string
  readonly definition: SourceDefinition
}

/** A source of a configured pipeline: the one named, else the pipeline's only one. */
export function sourceOf(
  deps: Pick<LakeDeps, 'pipelines'>,
  named: { readonly pipeline: string; readonly source?: string },
): NamedSource {
  const pipeline = findPipeline(deps.pipelines, named.pipeline)
  const names = Object.keys(pipeline.sources)
  const name = named.source ?? (names.length === 1 ? names[0] : undefined)
  const definition =
    name !== undefined && Object.hasOwn(pipeline.sources, name) ? pipeline.sources[name] : undefined
  if (name === undefined || definition === undefined) {
    const what = named.source === undefined ? 'name one' : `there is no ${JSON.stringify(named.source)}`
    throw new FirnError('not-found', `sources of pipeline ${pipeline.name}: ${names.join(', ')}; ${what}`)
  }
  return { pipeline, name, definition }
}

const DEFAULT_MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

export function maxDocumentBytesOf({ maxDocumentBytes }: SourceDefinition): number {
  return maxDocumentBytes ?? DEFAULT_MAX_DOCUMENT_BYTES
}
