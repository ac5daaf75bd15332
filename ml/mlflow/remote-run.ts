import { FirnError } from '../../schemas/error.js'
import type { MirrorStore } from '../registry/mirror-store.js'
import type { Run } from '../registry/run-store.js'
import type { JsonObject, MlflowClient } from './mlflow-client.js'

/** What the server knows of a run. */
export interface RemoteRun {
  readonly runId: string
  readonly experimentId: string
  readonly status: string
  readonly endTime: number | undefined
  readonly params: ReadonlySet<string>
  readonly tags: ReadonlyMap<string, string>
  /** Keys that have any point. */
  readonly metrics: ReadonlySet<string>
  /** `name digest` */
  readonly inputs: ReadonlySet<string>
}

/** Tag that a run is found again by. */
export const RUN_ID_TAG = 'firn.run_id'

/**
 * The run on the server, created where it is missing. A creation whose answer is lost may still happen: so runs are
 * looked for by their tag, and where there are several, all but the one with the smallest id go.
 */
export async function ensureRemoteRun(
  client: MlflowClient,
  registry: MirrorStore,
  run: Run,
): Promise<RemoteRun> {
  const known = registry.mirrored(client.target, { kind: 'run', runId: run.runId })
  const remembered = known === undefined ? undefined : await getRun(client, known.remoteId)
  if (remembered?.tags.get(RUN_ID_TAG) === run.runId) return remembered
  const experimentId = await ensureExperiment(client, run.experiment)
  if ((await findRuns(client, experimentId, run.runId)).length === 0) {
    await client.send('POST', 'runs/create', {
      ...{ experiment_id: experimentId, run_name: run.name, start_time: run.startedAtMs },
      tags: [{ key: RUN_ID_TAG, value: run.runId }],
    })
  }
  const [first, ...doubles] = await findRuns(client, experimentId, run.runId)
  for (const { runId } of doubles) await client.send('POST', 'runs/delete', { run_id: runId })
  if (first !== undefined) return first
  throw new FirnError(
    'io',
    `MLflow at ${client.target} doesn't show the run ${run.runId} that was created there. It is tried again later.`,
  )
}

async function ensureExperiment(client: MlflowClient, name: string): Promise<string> {
  const found = await getExperiment(client, name)
  if (found !== undefined) return found
  try {
    const { experiment_id: id } = await client.send('POST', 'experiments/create', { name })
    return String(id)
  } catch (error) {
    const isTaken = error instanceof FirnError && error.context['errorCode'] === 'RESOURCE_ALREADY_EXISTS'
    const other = isTaken ? await getExperiment(client, name) : undefined
    if (other === undefined) throw error
    return other
  }
}

async function getExperiment(client: MlflowClient, name: string): Promise<string | undefined> {
  const answer = await unlessMissing(client.send('GET', 'experiments/get-by-name', { experiment_name: name }))
  if (answer === undefined) return undefined
  const experiment = answer['experiment'] as JsonObject
  if (experiment['lifecycle_stage'] !== 'deleted') return String(experiment['experiment_id'])
  throw new FirnError(
    'invalid-input',
    `the experiment "${name}" was deleted at MLflow (${client.target}), which keeps its name: restore it there (\`mlflow experiments restore --experiment-id ${String(experiment['experiment_id'])}\`) or delete it for good (\`mlflow gc\`).`,
  )
}

/** Smallest id first. */
async function findRuns(
  client: MlflowClient,
  experimentId: string,
  runId: string,
): Promise<readonly RemoteRun[]> {
  const { runs } = await client.send('POST', 'runs/search', {
    ...{ experiment_ids: [experimentId], run_view_type: 'ACTIVE_ONLY', max_results: 100 },
    filter: `tags.\`${RUN_ID_TAG}\` = ${quoted(runId)}`,
  })
  return ((runs ?? []) as readonly JsonObject[]).map(toRemoteRun).sort((a, b) => (a.runId < b.runId ? -1 : 1))
}

async function getRun(client: MlflowClient, remoteId: string): Promise<RemoteRun | undefined> {
  const answer = await unlessMissing(client.send('GET', 'runs/get', { run_id: remoteId }))
  if (answer === undefined) return undefined
  const run = answer['run'] as JsonObject
  const info = run['info'] as JsonObject
  return info['lifecycle_stage'] === 'deleted' ? undefined : toRemoteRun(run)
}

function toRemoteRun(run: JsonObject): RemoteRun {
  const info = run['info'] as JsonObject
  const data = (run['data'] ?? {}) as JsonObject
  const inputs = ((run['inputs'] as JsonObject | undefined)?.['dataset_inputs'] ??
    []) as readonly JsonObject[]
  const keys = (of: string): readonly { key: string; value: string }[] =>
    (data[of] ?? []) as readonly { key: string; value: string }[]
  return {
    runId: String(info['run_id']),
    experimentId: String(info['experiment_id']),
    status: String(info['status']),
    endTime: info['end_time'] === undefined ? undefined : Number(info['end_time']),
    params: new Set(keys('params').map(({ key }) => key)),
    tags: new Map(keys('tags').map(({ key, value }) => [key, value])),
    metrics: new Set(keys('metrics').map(({ key }) => key)),
    inputs: new Set(
      inputs.map(({ dataset }) => {
        const { name, digest } = dataset as { name: string; digest: string }
        return `${name} ${digest}`
      }),
    ),
  }
}

/** A text in a filter of MLflow's, which knows no escapes. */
export function quoted(text: string): string {
  return text.includes("'") ? `"${text}"` : `'${text}'`
}

/** Undefined where the server says that there is no such thing. */
export async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof FirnError && error.kind === 'not-found') return undefined
    throw error
  }
}
