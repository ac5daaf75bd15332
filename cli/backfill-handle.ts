import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client'
import type { BackfillInput, BackfillStatus, DatesPage, DatesQuery } from '../schemas/backfill-messages.js'
import { FirnError } from '../schemas/error.js'
import { DATES_QUERY, RETRY_INPUT_QUERY, SEARCH_ATTRIBUTES, STATUS_QUERY } from '../schemas/workflow-names.js'
import { startOrFind, type Found } from './start-or-find.js'

export interface ListedBackfill {
  readonly workflowId: string
  readonly pipeline: string
  /** By its own word (FirnStatus), else by Temporal's. */
  readonly status: string
  readonly startedAt: string
  readonly endedAt: string | null
}

export function startBackfill(client: Client, workflowId: string, input: BackfillInput): Promise<Found> {
  return startOrFind(client, {
    workflow: 'backfill',
    workflowId,
    input,
    summary: `backfill ${input.pipeline}`,
  })
}

export const askStatus = (handle: WorkflowHandle): Promise<BackfillStatus> =>
  handle.query<BackfillStatus>(STATUS_QUERY)

export const askDates = (handle: WorkflowHandle, query: DatesQuery): Promise<DatesPage> =>
  handle.query<DatesPage, [DatesQuery]>(DATES_QUERY, query)

export const askRetryInput = (handle: WorkflowHandle): Promise<BackfillInput> =>
  handle.query<BackfillInput>(RETRY_INPUT_QUERY)

export async function isRunning(handle: WorkflowHandle): Promise<boolean> {
  return (await handle.describe()).status.name === 'RUNNING'
}

/** The handle of a backfill that there is; `not-found` where there is none, or another kind of workflow has that id. */
export async function findBackfill(client: Client, workflowId: string): Promise<WorkflowHandle> {
  const handle = client.workflow.getHandle(workflowId)
  try {
    if ((await handle.describe()).type === 'backfill') return handle
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error
  }
  throw new FirnError(
    'not-found',
    `there is no backfill ${JSON.stringify(workflowId)}: \`firn backfill list\` shows those there are.`,
  )
}

/** The newest first, as far as Temporal keeps them. */
export async function listBackfills(client: Client, limit: number): Promise<readonly ListedBackfill[]> {
  const found: ListedBackfill[] = []
  // One that went on as new is listed by its last run.
  const query = 'WorkflowType = "backfill" AND ExecutionStatus != "ContinuedAsNew"'
  for await (const {
    workflowId,
    status,
    startTime,
    closeTime,
    typedSearchAttributes,
  } of client.workflow.list({ query })) {
    if (found.length === limit) break
    const attributes = new Map(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]))
    found.push({
      workflowId,
      pipeline: String(attributes.get(SEARCH_ATTRIBUTES.pipeline) ?? ''),
      status: statusOf(status.name, attributes.get(SEARCH_ATTRIBUTES.status)),
      startedAt: startTime.toISOString(),
      endedAt: closeTime?.toISOString() ?? null,
    })
  }
  return found
}

/** What was terminated, or timed out, could not say so itself. */
function statusOf(temporal: string, own: unknown): string {
  const said = typeof own === 'string' ? own : temporal.toLowerCase()
  return temporal === 'RUNNING' || temporal === 'COMPLETED' ? said : temporal.toLowerCase()
}
