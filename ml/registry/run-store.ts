import { FirnError } from '../../schemas/error.js'
import type { DatasetInfo, TrainingPin } from '../../schemas/model-messages.js'
import type { RegistryDatabase } from './open-registry-database.js'
import { checkMetric, checkRunTexts } from './run-bounds.js'

export type RunEnd = 'FINISHED' | 'FAILED' | 'KILLED'
export type RunStatus = 'RUNNING' | RunEnd

export interface StartRun {
  /** Given by the caller, so that a second attempt finds the run. */
  readonly runId: string
  /** The pipeline. */
  readonly experiment: string
  readonly model: string
  readonly name: string
  /** A search, for the trainings that it tries. */
  readonly parentRunId?: string
  readonly params: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  readonly startedAtMs: number
}

/** A point of a metric's history. May be NaN or infinite, as a loss that diverges is. */
export interface MetricPoint {
  readonly key: string
  readonly value: number
  /** Epoch; 0 for what is measured once. */
  readonly step: number
  readonly timestampMs: number
}

export interface Artifact {
  /** As a reader knows it, e.g. `lineage/complete_lineage.json`. */
  readonly path: string
  /** Where its bytes are. */
  readonly location: string
  readonly sha256: string
  readonly sizeBytes: number
}

/** What a run read. */
export interface RunInputs {
  readonly pin: TrainingPin
  readonly dataset: DatasetInfo
}

export interface Run extends StartRun {
  readonly status: RunStatus
  readonly endedAtMs?: number
  readonly inputs?: RunInputs
  /** Metric → its point with the highest step. */
  readonly metrics: Readonly<Record<string, Omit<MetricPoint, 'key'>>>
  readonly artifacts: readonly Artifact[]
  /** Counts the changes of the run. */
  readonly revision: number
}

export interface RunSearch {
  readonly experiment?: string
  readonly model?: string
  readonly parentRunId?: string
  /** Default 1000. */
  readonly limit?: number
}

/**
 * Runs and what they logged. Each call is one durable transaction, and doing it again changes nothing: what a run said
 * first stays. Errors: FirnError `invalid-input` (bounds), `not-found` (no such run).
 */
export interface RunStore {
  startRun(run: StartRun): void
  logMetrics(runId: string, points: readonly MetricPoint[]): void
  /** Another file at the same path takes its place. */
  logArtifact(runId: string, artifact: Artifact): void
  logInputs(runId: string, inputs: RunInputs): void
  finishRun(runId: string, status: RunEnd, atMs: number): void
  getRun(runId: string): Run | undefined
  /** Newest first. */
  searchRuns(search?: RunSearch): readonly Run[]
  /** By step; without a key all metrics, by key. */
  metricHistory(runId: string, key?: string): readonly MetricPoint[]
}

interface RunRow {
  readonly run_id: string
  readonly experiment: string
  readonly model: string
  readonly name: string
  readonly parent_run_id: string | null
  readonly status: RunStatus
  readonly started_at_ms: number
  readonly ended_at_ms: number | null
  readonly inputs: string | null
  readonly revision: number
}

interface PointRow {
  readonly key: string
  readonly step: number
  readonly value: number | null
  readonly timestampMs: number
}

export function createRunStore(db: RegistryDatabase): RunStore {
  const touch = db.prepare('UPDATE runs SET revision = revision + 1 WHERE run_id = ?')
  const select = db.prepare<[string], RunRow>('SELECT * FROM runs WHERE run_id = ?')
  /** Runs a change of a run that is there; `change` tells how many rows it wrote. */
  const changing = (runId: string, change: () => number): void => {
    db.transaction(() => {
      if (select.get(runId) === undefined) throw noSuchRun(runId)
      if (change() > 0) touch.run(runId)
    }).immediate()
  }
  const insertPoint = db.prepare(
    'INSERT INTO run_metrics (run_id, key, step, value, timestamp_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  return {
    startRun: (run) => startRun(db, run),
    logMetrics(runId, points) {
      points.forEach(checkMetric)
      changing(runId, () =>
        points.reduce((written, { key, step, value, timestampMs }) => {
          const { changes } = insertPoint.run(
            runId,
            key,
            step,
            Number.isNaN(value) ? null : value,
            timestampMs,
          )
          return written + changes
        }, 0),
      )
    },
    logArtifact(runId, { path, location, sha256, sizeBytes }) {
      const upsert = db.prepare(`
        INSERT INTO run_artifacts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
        SET location = excluded.location, sha256 = excluded.sha256, size_bytes = excluded.size_bytes
        WHERE location <> excluded.location OR sha256 <> excluded.sha256`)
      changing(runId, () => upsert.run(runId, path, location, sha256, sizeBytes).changes)
    },
    logInputs(runId, inputs) {
      const update = db.prepare('UPDATE runs SET inputs = ? WHERE run_id = ? AND inputs IS NULL')
      changing(runId, () => update.run(JSON.stringify(inputs), runId).changes)
    },
    finishRun(runId, status, atMs) {
      const update = db.prepare(
        `UPDATE runs SET status = ?, ended_at_ms = ? WHERE run_id = ? AND status = 'RUNNING'`,
      )
      changing(runId, () => update.run(status, atMs, runId).changes)
    },
    getRun(runId) {
      const row = select.get(runId)
      return row === undefined ? undefined : readRun(db, row)
    },
    searchRuns: (search = {}) => searchRuns(db, search),
    metricHistory: (runId, key) => readHistory(db, runId, key),
  }
}

function startRun(db: RegistryDatabase, run: StartRun): void {
  checkRunTexts(run)
  const { runId, experiment, model, name, parentRunId, startedAtMs } = run
  const insert = db.prepare(`
    INSERT INTO runs (run_id, experiment, model, name, parent_run_id, status, started_at_ms, revision)
    VALUES (?, ?, ?, ?, ?, 'RUNNING', ?, 1) ON CONFLICT DO NOTHING`)
  const param = db.prepare('INSERT INTO run_params VALUES (?, ?, ?)')
  const tag = db.prepare('INSERT INTO run_tags VALUES (?, ?, ?)')
  db.transaction(() => {
    const { changes } = insert.run(runId, experiment, model, name, parentRunId ?? null, startedAtMs)
    if (changes === 0) return
    for (const [key, value] of Object.entries(run.params)) param.run(runId, key, value)
    for (const [key, value] of Object.entries(run.tags)) tag.run(runId, key, value)
  }).immediate()
}

function searchRuns(
  db: RegistryDatabase,
  { experiment, model, parentRunId, limit = 1000 }: RunSearch,
): readonly Run[] {
  const wanted = Object.entries({ experiment, model, parent_run_id: parentRunId }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  const where = wanted.map(([column]) => `AND ${column} = ?`).join(' ')
  return db
    .prepare<(string | number)[], RunRow>(
      `SELECT * FROM runs WHERE true ${where} ORDER BY started_at_ms DESC, run_id DESC LIMIT ?`,
    )
    .all(...wanted.map(([, value]) => value), limit)
    .map((row) => readRun(db, row))
}

function readRun(db: RegistryDatabase, row: RunRow): Run {
  const runId = row.run_id
  // A bare column beside max() is taken from the row that has the maximum.
  const latest = db
    .prepare<[string], PointRow>(
      `SELECT key, value, max(step) AS step, timestamp_ms AS timestampMs FROM run_metrics WHERE run_id = ?
       GROUP BY key ORDER BY key`,
    )
    .all(runId)
  const artifacts = db
    .prepare<[string], Artifact>(
      `SELECT path, location, sha256, size_bytes AS sizeBytes FROM run_artifacts WHERE run_id = ? ORDER BY path`,
    )
    .all(runId)
  return {
    ...{ runId, experiment: row.experiment, model: row.model, name: row.name },
    ...(row.parent_run_id === null ? {} : { parentRunId: row.parent_run_id }),
    status: row.status,
    startedAtMs: row.started_at_ms,
    ...(row.ended_at_ms === null ? {} : { endedAtMs: row.ended_at_ms }),
    params: readTexts(db, 'run_params', runId),
    tags: readTexts(db, 'run_tags', runId),
    ...(row.inputs === null ? {} : { inputs: JSON.parse(row.inputs) as RunInputs }),
    metrics: Object.fromEntries(
      latest.map(({ key, value, step, timestampMs }) => [key, { value: value ?? NaN, step, timestampMs }]),
    ),
    artifacts,
    revision: row.revision,
  }
}

function readTexts(
  db: RegistryDatabase,
  table: 'run_params' | 'run_tags',
  runId: string,
): Readonly<Record<string, string>> {
  const rows = db
    .prepare<[string], { key: string; value: string }>(
      `SELECT key, value FROM ${table} WHERE run_id = ? ORDER BY key`,
    )
    .all(runId)
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
}

function readHistory(db: RegistryDatabase, runId: string, key: string | undefined): readonly MetricPoint[] {
  return db
    .prepare<[string, string | null], PointRow>(
      `SELECT key, value, step, timestamp_ms AS timestampMs FROM run_metrics
       WHERE run_id = ? AND key = coalesce(?, key) ORDER BY key, step`,
    )
    .all(runId, key ?? null)
    .map((row) => ({ ...row, value: row.value ?? NaN }))
}

function noSuchRun(runId: string): FirnError {
  return new FirnError(
    'not-found',
    `there is no run ${JSON.stringify(runId)} in the registry: start it before it logs anything. \`firn runs list\` shows those there are.`,
  )
}
