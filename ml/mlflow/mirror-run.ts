import { FirnError } from '../../schemas/error.js'
import type { MirrorStore } from '../registry/mirror-store.js'
import type { MetricPoint, Run, RunStore } from '../registry/run-store.js'
import { datasetInputs } from './dataset-inputs.js'
import { logBatches } from './log-batches.js'
import type { JsonObject, MlflowClient } from './mlflow-client.js'
import { mlflowKey } from './mlflow-key.js'
import { ensureRemoteRun, type RemoteRun } from './remote-run.js'
import { withLease } from './with-lease.js'

type Runs = Pick<RunStore, 'getRun' | 'metricHistory'> & MirrorStore

/**
 * Tells MLflow all that it doesn't know of a run yet: experiment, run, params, tags, data-set inputs, metrics with their
 * history, status. Looks first what is there, so that doing it again tells nothing twice. Resolves to the run's id at
 * MLflow. Errors: FirnError `io` (later), `not-found` (no such run here), `config`, `invalid-input`.
 */
export async function mirrorRun(client: MlflowClient, registry: Runs, runId: string): Promise<string> {
  const run = registry.getRun(runId)
  if (run === undefined)
    throw new FirnError('not-found', `there is no run ${JSON.stringify(runId)} in the registry`)
  const subject = { kind: 'run', runId } as const
  const known = registry.mirrored(client.target, subject)
  if (known !== undefined && known.revision >= run.revision) return known.remoteId
  const parent = run.parentRunId === undefined ? undefined : registry.getRun(run.parentRunId)
  const parentId = parent === undefined ? undefined : await mirrorRun(client, registry, parent.runId)
  const tags = parentId === undefined ? run.tags : { ...run.tags, 'mlflow.parentRunId': parentId }
  return await client.insist(() =>
    withLease(client, registry, `run ${runId}`, async (leased) => {
      const remote = await ensureRemoteRun(leased, registry, run)
      await logMissing(leased, remote, { run, tags, history: registry.metricHistory(runId) })
      await updateStatus(leased, remote, run)
      registry.markMirrored(client.target, subject, { revision: run.revision, remoteId: remote.runId })
      return remote.runId
    }),
  )
}

async function logMissing(
  client: MlflowClient,
  remote: RemoteRun,
  { run, tags, history }: { run: Run; tags: Run['tags']; history: readonly MetricPoint[] },
): Promise<void> {
  const params = Object.entries(run.params)
    .map(([key, value]) => ({ key: mlflowKey(key), value }))
    .filter(({ key }) => !remote.params.has(key))
  const newTags = Object.entries(tags)
    .map(([key, value]) => ({ key: mlflowKey(key), value }))
    .filter(({ key, value }) => remote.tags.get(key) !== value)
  const inputs = run.inputs === undefined ? [] : datasetInputs(run.inputs)
  const datasets = inputs.filter(({ dataset }) => !remote.inputs.has(`${dataset.name} ${dataset.digest}`))
  if (datasets.length > 0) await client.send('POST', 'runs/log-inputs', { run_id: remote.runId, datasets })
  const metrics = await missingPoints(client, remote, history)
  for (const batch of logBatches({ metrics, params, tags: newTags }))
    await client.send('POST', 'runs/log-batch', { run_id: remote.runId, ...batch })
}

/** MLflow appends whatever it is told: only steps that it doesn't have are told. */
async function missingPoints(
  client: MlflowClient,
  remote: RemoteRun,
  history: readonly MetricPoint[],
): Promise<readonly JsonObject[]> {
  const byKey = new Map<string, MetricPoint[]>()
  for (const point of history) {
    const points = byKey.get(point.key)
    if (points === undefined) byKey.set(point.key, [point])
    else points.push(point)
  }
  const missing: JsonObject[] = []
  for (const [name, points] of byKey) {
    const key = mlflowKey(name)
    const steps = remote.metrics.has(key) ? await knownSteps(client, remote.runId, key) : new Set<number>()
    for (const { value, step, timestampMs } of points)
      if (!steps.has(step)) missing.push({ key, value: wireNumber(value), timestamp: timestampMs, step })
  }
  return missing
}

async function knownSteps(client: MlflowClient, runId: string, key: string): Promise<ReadonlySet<number>> {
  const steps = new Set<number>()
  let token: string | undefined
  do {
    const page = await client.send('GET', 'metrics/get-history', {
      ...{ run_id: runId, metric_key: key, max_results: '25000' },
      ...(token === undefined ? {} : { page_token: token }),
    })
    // A step of 0 is left out on the wire.
    for (const { step } of (page['metrics'] ?? []) as readonly JsonObject[]) steps.add(Number(step ?? 0))
    const next = page['next_page_token']
    token = typeof next === 'string' && next !== '' && next !== token ? next : undefined
  } while (token !== undefined)
  return steps
}

/** JSON has no word for these; protocol buffers' JSON has. */
function wireNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}

async function updateStatus(client: MlflowClient, remote: RemoteRun, run: Run): Promise<void> {
  if (remote.status === run.status && remote.endTime === run.endedAtMs) return
  await client.send('POST', 'runs/update', {
    ...{ run_id: remote.runId, status: run.status },
    ...(run.endedAtMs === undefined ? {} : { end_time: run.endedAtMs }),
  })
}
