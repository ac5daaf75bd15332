import { activityInfo, Context } from '@temporalio/activity'
import { ApplicationFailure, type WorkflowExecutionDescription } from '@temporalio/client'
import type { Client } from '@temporalio/client'
import { Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker'
import { awaitEnd } from '../../../activities/await-end.js'
import type { BackfillActivities } from '../../../activities/backfill-activities.js'
import type { BuildActivities } from '../../../activities/build-activities.js'
import type { ExternalActivities } from '../../../activities/external-activities.js'
import type { FeatureActivities } from '../../../activities/feature-activities.js'
import type { LandActivities } from '../../../activities/land-activities.js'
import type { MaintainActivities } from '../../../activities/maintain-activities.js'
import type { ModelActivities } from '../../../activities/model-activities.js'
import type { NightActivities } from '../../../activities/night-activities.js'
import type { RebuildActivities } from '../../../activities/rebuild-activities.js'
import type { ScheduleActivities } from '../../../activities/schedule-activities.js'
import type { SparkActivities } from '../../../activities/spark-activities.js'
import type { WindowActivities } from '../../../activities/window-activities.js'
import type {
  FetchedLanding,
  LandingPlan,
  LandResult,
  PlannedBuild,
  TableMaintenance,
} from '../../../schemas/messages.js'
import type { RebuildPlan } from '../../../schemas/rebuild-messages.js'
import { TASK_QUEUES } from '../../../schemas/workflow-names.js'
import { activityLog } from '../../../workers/activity-log.js'
import { activityMetrics } from '../../../workers/activity-metrics.js'
import { activityRetries } from '../../../workers/activity-retries.js'
import { connectClient, connectWorker } from '../../../workers/connection.js'
import { installRuntime, type RuntimeSettings } from '../../../workers/runtime.js'
import { workflowBundlePath } from '../../../workers/workflow-bundle.js'
import { startDevServer, type DevServer, type DevServerOptions } from '../../../workers/temporal-server.js'
import { goodTraining, type External } from './fake-training.js'

export type Activities = LandActivities &
  BackfillActivities &
  BuildActivities &
  FeatureActivities &
  ModelActivities &
  NightActivities &
  MaintainActivities &
  RebuildActivities &
  ScheduleActivities &
  SparkActivities &
  WindowActivities &
  ExternalActivities &
  External
export type FakeActivities = Partial<Activities>

export interface Call {
  readonly queue: string
  readonly name: string
  readonly input: unknown
}

/** A dev server with a client; `close` ends both. */
export interface TestServer {
  readonly server: DevServer
  readonly client: Client
  readonly connection: NativeConnection
  close(): Promise<void>
}

export async function startTestServer(
  options: DevServerOptions = {},
  runtime: RuntimeSettings = {},
): Promise<TestServer> {
  installRuntime({ level: 'error', shutdownSignals: [], ...runtime })
  const server = await startDevServer(options)
  const temporal = { address: server.address, namespace: 'default' }
  const [client, connection] = await Promise.all([connectClient(temporal), connectWorker(temporal)])
  return {
    server,
    client,
    connection,
    async close() {
      await client.connection.close()
      await connection.close()
      await server.stop()
    },
  }
}

interface FakeOptions {
  /** Of every worker; of the one that runs workflows. */
  readonly all?: Partial<WorkerOptions>
  readonly control?: Partial<WorkerOptions>
  /** Activities made of those that go well. */
  readonly wrap?: Readonly<Record<string, (good: (input: never) => unknown) => (input: never) => unknown>>
}

/** Runs `test` with workers whose activities are fakes: a lake where everything goes well, but for what is overridden. */
export async function withFakeLake<T>(
  connection: NativeConnection,
  overrides: FakeActivities,
  test: (calls: Call[]) => Promise<T>,
  more: FakeOptions = {},
): Promise<T> {
  const calls: Call[] = []
  const activities = Object.fromEntries(
    Object.entries({ ...goodLake(), ...overrides }).map(([name, run]) => [
      name,
      (input: never) => {
        calls.push({ queue: activityInfo().taskQueue, name, input })
        const good = run as (input: never) => unknown
        return (more.wrap?.[name]?.(good) ?? good)(input)
      },
    ]),
  )
  const workers = await Promise.all(
    Object.values(TASK_QUEUES).map((taskQueue) =>
      Worker.create({
        connection,
        taskQueue,
        activities,
        maxHeartbeatThrottleInterval: 100,
        interceptors: { activity: [activityLog, activityMetrics, activityRetries] },
        ...more.all,
        ...(taskQueue === TASK_QUEUES.control
          ? { workflowBundle: { codePath: workflowBundlePath() }, ...more.control }
          : {}),
      }),
    ),
  )
  const runs = Promise.all(workers.map((worker) => worker.run()))
  try {
    return await test(calls)
  } finally {
    for (const worker of workers) worker.shutdown()
    await runs
  }
}

export function failWith(kind: string, options: { readonly final?: boolean } = {}): never {
  throw ApplicationFailure.create({
    message: `it failed: ${kind}`,
    type: kind,
    nonRetryable: options.final ?? false,
  })
}

export const plannedBuild: PlannedBuild = {
  kind: 'build',
  pipeline: 'quantum',
  batch: '20260701T020000Z',
  inputFrom: 0,
  inputTo: 3,
  first: true,
  fingerprint: 'f1',
  groups: [['a', 'b'], ['c']],
  tag: 'v_20260701T020000Z',
}

function goodLake(): Activities {
  const ok = <T>(value: T) => Promise.resolve(value)
  const built = ({ tables }: { readonly tables: readonly string[] }) =>
    ok({ tables: tables.map((table) => ({ table, rows: 10, files: 1 })), duplicates: 0 })
  return {
    lookAtNight: () => ok({}),
    awaitEnd: ({ workflowId }) => {
      const { client, cancellationSignal } = Context.current()
      return awaitEnd(client, workflowId, cancellationSignal)
    },
    findMissedNights: () => ok({ missed: [] }),
    findLateSources: () => ok([]),
    raiseAlerts: ({ alerts }) => ok({ raised: alerts.map(({ key }) => key), webhook: 'none' }),
    awaitRecords: () => failWith('config', { final: true }),
    planLanding: (input) =>
      ok({
        pipeline: input.pipeline,
        source: 'experiments',
        batch: input.batch,
        from: input.from ?? '/landing',
        incarnation: 'i',
        files: 3,
        bytes: 30,
        first: 0,
        end: 3,
        planLocation: 'file:///plan',
      }),
    fetchLanding: () =>
      ok({ stagedLocation: 'file:///s', objects: 1, records: 3, deadLetters: 0, bytes: 30 }),
    commitLanding: ({ plan, fetched }) => ok(landed(plan, fetched)),
    refreshWindows: ({ source = 'experiments', batch }) =>
      ok({ source, batch, status: 'none', rowEnd: 0, tables: [] }),
    publishWindows: ({ batch }) => ok({ status: 'no_changes', batch }),
    listBackfill: ({ keys }) => ok(keys.map((key) => ({ key, state: 'due', batches: [nightOf(key)] }))),
    resolveBatch: () => ok('20260701T020000Z'),
    planBuild: (input) => ok({ ...plannedBuild, batch: input.batch, tag: `v_${input.batch}` }),
    buildTables: built,
    buildTablesOnSpark: built,
    buildPart: () => ok({ rows: 10 }),
    mergeParts: () => ok({ rows: 10 }),
    runChecks: () =>
      ok({ passed: true, results: [{ name: 'c', severity: 'blocking', passed: true, failingRows: 0 }] }),
    publishBatch: ({ plan, checks }) =>
      ok({
        status: checks.passed ? 'published' : 'failed',
        alreadyCommitted: false,
        batch: plan.batch,
        tag: plan.tag,
        tables: [],
        inputFrom: plan.inputFrom,
        inputTo: plan.inputTo,
        duplicates: 0,
      }),
    planRebuild: ({ batch, forward = false }) => ok(rebuildPlan(batch, forward)),
    rebuildTables: () => ok({ tables: [], duplicates: 0 }),
    checkRebuild: () => ok({ passed: true, results: [] }),
    publishRebuild: ({ plan, checks }) =>
      ok({
        status: checks.passed ? 'published' : 'failed',
        alreadyCommitted: false,
        batch: plan.build.batch,
        tag: plan.build.tag,
        tables: [],
        ...{ inputFrom: 0, inputTo: 3, duplicates: 0 },
      }),
    ...goodTraining(),
    scoreBatch: ({ input }) =>
      ok({
        status: 'published',
        model: input.model,
        version: 1,
        batch: input.batch,
        rows: 4,
        featuresTag: input.at ?? 'v_1',
        snapshotId: '8',
      }),
    listMaintainable: () => ok(['q.a', 'q.b']),
    maintainTable: ({ table }) => ok(maintained(table)),
    recordMaintenance: ({ tables }) => ok(tables.length),
  }
}

/** Of a lake with three batches, `batch` the first of them. */
export function rebuildPlan(batch: string, forward: boolean): RebuildPlan {
  const later = ['20260702T020000Z', '20260703T020000Z'].filter((one) => one > batch)
  return {
    build: { ...plannedBuild, batch: `${batch}-2`, first: false, tag: `v_incr_${batch}-2`, after: '7' },
    rebuilds: batch,
    mode: forward ? 'forward' : 'alone',
    tables: [{ table: 'a', write: 'insert-new', because: [], rows: 10 }],
    later: forward ? later : [],
    notes: [],
  }
}

/** The batch of a date on a schedule at two o'clock; a batch itself as it is. */
export function nightOf(key: string): string {
  return key.length === 10 ? `${key.replaceAll('-', '')}T020000Z` : key
}

/** What a commit of these slices gives, on a ledger whose rows are counted as records. */
export function landed(plan: LandingPlan, fetched: readonly FetchedLanding[]): LandResult {
  const sum = (key: 'objects' | 'records' | 'deadLetters' | 'bytes'): number =>
    fetched.reduce((total, slice) => total + slice[key], 0)
  return {
    source: plan.source,
    batch: plan.batch,
    files: plan.kind === 'topic' ? 0 : plan.files,
    objects: sum('objects'),
    records: sum('records'),
    deadLetters: sum('deadLetters'),
    bytes: sum('bytes'),
    rowNumberEnd: 3,
    ledgerSnapshotId: '7',
  }
}

export function maintained(table: string): TableMaintenance {
  return {
    table,
    compactedFiles: 2,
    writtenFiles: 1,
    expiredSnapshots: 1,
    droppedTags: [],
    deletedFiles: 2,
    deletedBytes: 20,
    orphans: 0,
    taggedBytes: 0,
    notes: [],
  }
}

/** A search attribute of a workflow, as its UI lists it. */
export function attribute(description: WorkflowExecutionDescription, name: string): unknown {
  return description.typedSearchAttributes.getAll().find(({ key }) => key.name === name)?.value
}
