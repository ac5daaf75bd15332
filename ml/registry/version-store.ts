import { createHash } from 'node:crypto'
import { FirnError } from '../../schemas/error.js'
import type { DatasetInfo, TrainedModel, TrainingPin } from '../../schemas/model-messages.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import type { RegistryDatabase } from './open-registry-database.js'

/**
 * PENDING: a number is taken, its inputs may be tagged. READY: its inputs are tagged; only such a version resolves.
 * DELETING: its tags go. DELETED: what it was stays known, its number is never given again.
 */
export type VersionState = 'PENDING' | 'READY' | 'DELETING' | 'DELETED'

/** Names are one over all pipelines. */
export interface VersionKey {
  readonly model: string
  readonly version: number
}

/** Everything about a version that its training gave. */
export interface TrainedVersion {
  readonly pin: TrainingPin
  readonly dataset: DatasetInfo
  readonly trained: TrainedModel
  readonly runId: string
  readonly workflow: { readonly workflowId: string; readonly runId: string }
}

export interface ModelVersion extends VersionKey, TrainedVersion {
  readonly state: VersionState
  readonly registeredAtMs: number
  /** Counts the changes of its state. */
  readonly revision: number
}

/** Of Firn 0.1: holds its inputs until it is deleted, and can't be scored with. */
export interface LegacyVersion extends VersionKey {
  readonly state: VersionState
  /** Names were one a pipeline; versions of the same name and number share their tag. */
  readonly pipelines: readonly string[]
  readonly snapshots: Readonly<Record<string, string>>
  readonly registeredAtMs: number
}

/** Numbered versions of models. Each call is one durable transaction; what needs the lake too is done around it. */
export interface VersionStore {
  /** The version of exactly this training that is PENDING or READY, else a new PENDING one under the next number. */
  reserve(training: TrainedVersion, nowMs: number): ModelVersion
  /**
   * Moves a version on where it is in one of the states `from`; false where it is not. To DELETING only where no alias
   * names it: FirnError `invalid-input`.
   */
  move(key: VersionKey, from: readonly VersionState[], to: VersionState): boolean
  /** A READY version. */
  getVersion(key: VersionKey): ModelVersion | undefined
  /** In whatever state. */
  findVersion(key: VersionKey): ModelVersion | undefined
  newestReady(model: string): ModelVersion | undefined
  /** All but deleted versions, by model, newest first. */
  list(model?: string): readonly ModelVersion[]
  listDeleted(): readonly ModelVersion[]
  /** Those of Firn 0.1 that are not deleted. */
  listLegacy(model?: string): readonly LegacyVersion[]
  moveLegacy(key: VersionKey, from: readonly VersionState[], to: VersionState): boolean
}

interface VersionRow {
  readonly model: string
  readonly version: number
  readonly state: VersionState
  readonly run_id: string
  readonly workflow: string
  readonly pin: string
  readonly dataset: string
  readonly trained: string
  readonly registered_at_ms: number
  readonly revision: number
}

export function createVersionStore(db: RegistryDatabase): VersionStore {
  const select = (where: string, ...values: readonly (string | number)[]): readonly ModelVersion[] =>
    db
      .prepare<(string | number)[], VersionRow>(
        `SELECT * FROM versions WHERE ${where} ORDER BY model, version DESC`,
      )
      .all(...values)
      .map(toVersion)
  return {
    reserve: (training, nowMs) => reserve(db, training, nowMs),
    move: (key, from, to) => move(db, key, from, to),
    getVersion: ({ model, version }) =>
      select(`state = 'READY' AND model = ? AND version = ?`, model, version)[0],
    findVersion: ({ model, version }) => select('model = ? AND version = ?', model, version)[0],
    newestReady: (model) => select(`state = 'READY' AND model = ?`, model)[0],
    list: (model) =>
      model === undefined ? select(`state <> 'DELETED'`) : select(`state <> 'DELETED' AND model = ?`, model),
    listDeleted: () => select(`state = 'DELETED'`),
    listLegacy: (model) => listLegacy(db, model),
    moveLegacy({ model, version }, from, to) {
      const { changes } = db
        .prepare(
          `UPDATE model_versions SET state = ? WHERE model = ? AND version = ?
             AND state IN (SELECT value FROM json_each(?))`,
        )
        .run(to, model, version, JSON.stringify(from))
      return changes > 0
    },
  }
}

function reserve(db: RegistryDatabase, training: TrainedVersion, nowMs: number): ModelVersion {
  const { pin, dataset, trained, runId, workflow } = training
  const values = {
    ...{ model: pin.model, pipeline: pin.pipeline, digest: trainingDigest(training), runId, nowMs },
    ...{ workflow: JSON.stringify(workflow), pin: JSON.stringify(pin) },
    ...{ dataset: JSON.stringify(dataset), trained: JSON.stringify(trained) },
  }
  const select = db.prepare<typeof values, VersionRow>(`
    SELECT * FROM versions WHERE model = @model AND training_digest = @digest AND state IN ('PENDING', 'READY')`)
  const insert = db.prepare<typeof values>(`
    INSERT INTO versions SELECT @model, coalesce(max(version), 0) + 1, 'PENDING', @pipeline, @digest, @runId,
      @workflow, @pin, @dataset, @trained, @nowMs, 1
    FROM (SELECT version FROM versions WHERE model = @model
          UNION ALL SELECT version FROM model_versions WHERE model = @model)`)
  const row = db
    .transaction(() => {
      if (select.get(values) === undefined) insert.run(values)
      return select.get(values)
    })
    .immediate()
  if (row !== undefined) return toVersion(row)
  throw new FirnError('io', `no version of model "${pin.model}" could be reserved. Try again.`)
}

/** One digest a training, whatever the order in which its members came over the wire. */
function trainingDigest({ pin, dataset, trained }: TrainedVersion): string {
  const text = canonicalJson({ pin, dataset: dataset.digest, weights: trained.weightsDigest })
  return createHash('sha256').update(text).digest('hex')
}

function move(
  db: RegistryDatabase,
  { model, version }: VersionKey,
  from: readonly VersionState[],
  to: VersionState,
): boolean {
  const update = db.prepare(`
    UPDATE versions SET state = @to, revision = revision + (state <> @to)
    WHERE model = @model AND version = @version AND state IN (SELECT value FROM json_each(@from))`)
  const naming = db.prepare<[string, number], { alias: string }>(
    'SELECT alias FROM aliases WHERE model = ? AND version = ? ORDER BY alias',
  )
  return db
    .transaction(() => {
      const { changes } = update.run({ to, model, version, from: JSON.stringify(from) })
      const aliases = changes === 1 && to === 'DELETING' ? naming.all(model, version) : []
      // Thrown inside: the move is taken back with it.
      if (aliases.length > 0)
        throw isNamed(
          model,
          version,
          aliases.map(({ alias }) => alias),
        )
      return changes === 1
    })
    .immediate()
}

function isNamed(model: string, version: number, aliases: readonly string[]): FirnError {
  const alias = aliases[0] ?? ''
  return new FirnError(
    'invalid-input',
    `version ${version} of model "${model}" is ${aliases.join(' and ')}, so it is not deleted. Give the alias to another version (\`firn models alias set ${model} ${alias} <version>\`) or delete it (\`firn models alias delete ${model} ${alias}\`) first.`,
  )
}

function listLegacy(db: RegistryDatabase, model: string | undefined): readonly LegacyVersion[] {
  const rows = db
    .prepare<
      [string | null],
      { model: string; version: number; state: VersionState; pipelines: string; pins: string; atMs: number }
    >(
      `SELECT model, version, min(state) AS state, json_group_array(pipeline) AS pipelines,
         json_group_array(json(pin)) AS pins, min(registered_at_ms) AS atMs
       FROM model_versions WHERE state <> 'DELETED' AND model = coalesce(?, model)
       GROUP BY model, version ORDER BY model, version DESC`,
    )
    .all(model ?? null)
  return rows.map((row) => {
    const pins = JSON.parse(row.pins) as readonly Pick<TrainingPin, 'snapshots'>[]
    return {
      ...{ model: row.model, version: row.version, state: row.state, registeredAtMs: row.atMs },
      pipelines: JSON.parse(row.pipelines) as readonly string[],
      snapshots: Object.assign({}, ...pins.map(({ snapshots }) => snapshots)) as Record<string, string>,
    }
  })
}

function toVersion(row: VersionRow): ModelVersion {
  return {
    ...{ model: row.model, version: row.version, state: row.state, runId: row.run_id },
    workflow: JSON.parse(row.workflow) as TrainedVersion['workflow'],
    pin: JSON.parse(row.pin) as TrainingPin,
    dataset: JSON.parse(row.dataset) as DatasetInfo,
    trained: JSON.parse(row.trained) as TrainedModel,
    ...{ registeredAtMs: row.registered_at_ms, revision: row.revision },
  }
}
