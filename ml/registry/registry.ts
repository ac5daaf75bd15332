import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { FirnError } from '../../schemas/error.js'
import type { DatasetInfo, TrainedModel, TrainingPin } from '../../schemas/messages.js'

/**
 * PENDING: a number is taken, its inputs may be tagged. READY: its inputs are tagged; only such a version resolves.
 * DELETING: its tags go. DELETED: only the number is left, which is never given again.
 */
export type VersionState = 'PENDING' | 'READY' | 'DELETING' | 'DELETED'

export interface ModelName {
  readonly pipeline: string
  readonly model: string
}

export interface VersionKey extends ModelName {
  readonly version: number
}

/** Everything about a version that its training gave. */
export interface TrainedVersion {
  readonly pin: TrainingPin
  readonly dataset: DatasetInfo
  readonly trained: TrainedModel
}

export interface ModelVersion extends VersionKey, TrainedVersion {
  readonly state: VersionState
  readonly registeredAtMs: number
}

/** Numbered versions of models. Each call is one durable transaction; what needs the lake too is done around it. */
export interface Registry {
  /** The version of exactly this training that is PENDING or READY, else a new PENDING one under the next number. */
  reserve(training: TrainedVersion, nowMs: number): ModelVersion
  /** Moves a version on where it is in one of the states `from`; false where it is not. */
  move(key: VersionKey, from: readonly VersionState[], to: VersionState): boolean
  /** A READY version. */
  getVersion(key: VersionKey): ModelVersion | undefined
  newestReady(pipeline: string, model: string): ModelVersion | undefined
  /** All but deleted versions, newest first. */
  list(of?: Partial<ModelName>): readonly ModelVersion[]
  close(): void
}

/** Opens the registry's database, made with its folder where there is none. Local disks only. */
export function openRegistry({ path }: { readonly path: string }): Registry {
  mkdirSync(dirname(path), { recursive: true })
  const db = new Database(path, { timeout: 5000 })
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec(SCHEMA)
  return new SqliteRegistry(db)
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS model_versions (
    pipeline TEXT NOT NULL,
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'READY', 'DELETING', 'DELETED')),
    pin TEXT NOT NULL,
    weights_digest TEXT NOT NULL,
    dataset TEXT NOT NULL,
    trained TEXT NOT NULL,
    registered_at_ms INTEGER NOT NULL,
    PRIMARY KEY (pipeline, model, version)
  );
  CREATE UNIQUE INDEX IF NOT EXISTS one_version_a_training
    ON model_versions (pipeline, model, pin, weights_digest) WHERE state IN ('PENDING', 'READY');`

interface VersionRow {
  readonly pipeline: string
  readonly model: string
  readonly version: number
  readonly state: VersionState
  readonly pin: string
  readonly dataset: string
  readonly trained: string
  readonly registered_at_ms: number
}

class SqliteRegistry implements Registry {
  readonly #db: Database.Database

  constructor(db: Database.Database) {
    this.#db = db
  }

  reserve(training: TrainedVersion, nowMs: number): ModelVersion {
    const { pin, dataset, trained } = training
    const values = {
      ...{ pipeline: pin.pipeline, model: pin.model, pin: canonicalPin(pin), digest: trained.weightsDigest },
      ...{ dataset: JSON.stringify(dataset), trained: JSON.stringify(trained), nowMs },
    }
    const select = this.#db.prepare<typeof values, VersionRow>(`
      SELECT * FROM model_versions WHERE pipeline = @pipeline AND model = @model AND pin = @pin
        AND weights_digest = @digest AND state IN ('PENDING', 'READY')`)
    const insert = this.#db.prepare<typeof values>(`
      INSERT INTO model_versions
      SELECT @pipeline, @model, coalesce(max(version), 0) + 1, 'PENDING', @pin, @digest, @dataset, @trained, @nowMs
      FROM model_versions WHERE pipeline = @pipeline AND model = @model`)
    const reserve = this.#db.transaction(() => {
      if (select.get(values) === undefined) insert.run(values)
      return select.get(values)
    })
    const row = reserve.immediate()
    if (row !== undefined) return toVersion(row)
    throw new FirnError('io', `no version of model "${pin.model}" could be reserved. Try again.`)
  }

  move({ pipeline, model, version }: VersionKey, from: readonly VersionState[], to: VersionState): boolean {
    const { changes } = this.#db
      .prepare(
        `UPDATE model_versions SET state = ? WHERE pipeline = ? AND model = ? AND version = ?
           AND state IN (SELECT value FROM json_each(?))`,
      )
      .run(to, pipeline, model, version, JSON.stringify(from))
    return changes === 1
  }

  getVersion({ pipeline, model, version }: VersionKey): ModelVersion | undefined {
    return this.#select(`state = 'READY' AND pipeline = ? AND model = ? AND version = ?`, [
      pipeline,
      model,
      version,
    ])[0]
  }

  newestReady(pipeline: string, model: string): ModelVersion | undefined {
    return this.#select(`state = 'READY' AND pipeline = ? AND model = ?`, [pipeline, model])[0]
  }

  list({ pipeline, model }: Partial<ModelName> = {}): readonly ModelVersion[] {
    return this.#select(
      `state <> 'DELETED' AND pipeline = coalesce(?, pipeline) AND model = coalesce(?, model)`,
      [pipeline ?? null, model ?? null],
    )
  }

  close(): void {
    this.#db.close()
  }

  #select(where: string, values: readonly (string | number | null)[]): readonly ModelVersion[] {
    return this.#db
      .prepare<(string | number | null)[], VersionRow>(
        `SELECT * FROM model_versions WHERE ${where} ORDER BY pipeline, model, version DESC`,
      )
      .all(...values)
      .map(toVersion)
  }
}

function toVersion(row: VersionRow): ModelVersion {
  return {
    pipeline: row.pipeline,
    model: row.model,
    version: row.version,
    state: row.state,
    pin: JSON.parse(row.pin) as TrainingPin,
    dataset: JSON.parse(row.dataset) as DatasetInfo,
    trained: JSON.parse(row.trained) as TrainedModel,
    registeredAtMs: row.registered_at_ms,
  }
}

/** One text a pin, whatever the order in which its members came over the wire. */
function canonicalPin({ pipeline, model, tag, seed, snapshots }: TrainingPin): string {
  const sorted = Object.fromEntries(Object.entries(snapshots).sort(([a], [b]) => (a < b ? -1 : 1)))
  return JSON.stringify({ pipeline, model, tag, seed, snapshots: sorted })
}
