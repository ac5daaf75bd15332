import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client'
import { loadPipelines } from '../lake/define/load-pipeline.js'
import { FirnError } from '../schemas/error.js'
import type { StreamSourceInput, StreamStatus } from '../schemas/stream-messages.js'
import { STATUS_QUERY, workflowIds } from '../schemas/workflow-names.js'
import type { FirnConfig } from '../workers/config.js'
import { pipelineNamed } from './lake.js'
import { startOrFind, type Found } from './start-or-find.js'

export interface StreamName {
  readonly pipeline: string
  readonly source: string
}

/** The stream's source: the one named, else the pipeline's only one. Throws `not-found`, `invalid-input`. */
export async function streamNamed(
  { pipelineFolders }: FirnConfig,
  pipeline: string,
  source: string | undefined,
): Promise<StreamName> {
  const known = Object.keys(pipelineNamed(await loadPipelines(pipelineFolders), pipeline).sources)
  const named = source ?? (known.length === 1 ? known[0] : undefined)
  if (named === undefined) {
    throw new FirnError(
      'invalid-input',
      `pipeline ${pipeline} has the sources ${known.join(', ')}: name one with --source.`,
    )
  }
  if (known.includes(named)) return { pipeline, source: named }
  throw new FirnError(
    'not-found',
    `pipeline ${pipeline} has no source ${JSON.stringify(named)}. Known: ${known.join(', ')}.`,
  )
}

export function streamHandle(client: Client, { pipeline, source }: StreamName): WorkflowHandle {
  return client.workflow.getHandle(workflowIds.stream(pipeline, source))
}

export function startStream(client: Client, input: StreamSourceInput & StreamName): Promise<Found> {
  const { pipeline, source } = input
  const workflowId = workflowIds.stream(pipeline, source)
  const summary = `stream ${pipeline} ${source}`
  return startOrFind(client, { workflow: 'streamSource', workflowId, input, summary })
}

/** Asks, or tells, a stream something; where there is none, or no worker, says so. */
export async function withStream<T>(
  name: StreamName,
  handle: WorkflowHandle,
  use: (handle: WorkflowHandle) => Promise<T>,
): Promise<T> {
  try {
    return await use(handle)
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error
    throw new FirnError(
      'not-found',
      `no stream of ${name.pipeline} ${name.source} runs: \`firn stream ${name.pipeline} --source ${name.source}\` starts one.`,
      { cause: error },
    )
  }
}

export function askStatus(handle: WorkflowHandle): Promise<StreamStatus> {
  return handle.query<StreamStatus>(STATUS_QUERY)
}
