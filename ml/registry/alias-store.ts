import { FirnError } from '../../schemas/error.js'
import type { RegistryDatabase } from './open-registry-database.js'

export interface AliasKey {
  readonly model: string
  /** `champion`, `challenger`, …: letters, digits, _ and -, at most 255; not `latest`, nor `v1` and the like. */
  readonly alias: string
}

/** Who changes an alias, and why. */
export interface AliasChangeBy {
  readonly by: string
  readonly reason?: string
  /** The gate said no, and it was done all the same. */
  readonly forced: boolean
  readonly atMs: number
}

export interface SetAlias extends AliasKey, AliasChangeBy {
  readonly version: number
  /** Only where the alias names this version now; null: none. Default: whatever it names. */
  readonly replaces?: number | null
}

export interface AliasChange extends AliasKey, AliasChangeBy {
  /** Counts up over all changes. */
  readonly sequence: number
  /** Null: the alias was deleted. */
  readonly version: number | null
}

export interface Alias extends AliasChange {
  readonly version: number
}

/**
 * Names of versions, with the full history of who was what when. Setting an alias to what it is, and deleting one that
 * isn't there, adds nothing.
 */
export interface AliasStore {
  /**
   * READY versions only; false where the alias names another version than it is to replace. Errors: FirnError
   * `invalid-input` (the name), `not-found` (the version).
   */
  setAlias(change: SetAlias): boolean
  deleteAlias(change: AliasKey & AliasChangeBy): void
  /** As they are now, by model and name. */
  aliases(model?: string): readonly Alias[]
  /** Every change there was, oldest first. */
  aliasHistory(model: string, alias?: string): readonly AliasChange[]
}

interface AliasRow {
  readonly sequence: number
  readonly model: string
  readonly alias: string
  readonly version: number | null
  readonly changed_by: string
  readonly reason: string | null
  readonly forced: number
  readonly at_ms: number
}

export function createAliasStore(db: RegistryDatabase): AliasStore {
  const current = db.prepare<[string, string], AliasRow>(
    'SELECT * FROM aliases WHERE model = ? AND alias = ?',
  )
  const insert = db.prepare(`
    INSERT INTO alias_changes (model, alias, version, changed_by, reason, forced, at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?)`)
  const isReady = db.prepare(`SELECT 1 FROM versions WHERE model = ? AND version = ? AND state = 'READY'`)
  const change = (
    { model, alias, by, reason, forced, atMs }: AliasKey & AliasChangeBy,
    to: number | null,
  ) => {
    const now = current.get(model, alias)?.version ?? null
    if (now !== to) insert.run(model, alias, to, by, reason ?? null, forced ? 1 : 0, atMs)
  }
  return {
    setAlias(set) {
      checkAlias(set.alias)
      return db
        .transaction(() => {
          if (isReady.get(set.model, set.version) === undefined) throw notReady(db, set)
          const now = current.get(set.model, set.alias)?.version ?? null
          if (set.replaces !== undefined && set.replaces !== now) return false
          change(set, set.version)
          return true
        })
        .immediate()
    },
    deleteAlias: (key) => db.transaction(() => change(key, null)).immediate(),
    aliases: (model) =>
      db
        .prepare<[string | null], AliasRow>(
          `SELECT * FROM aliases WHERE version IS NOT NULL AND model = coalesce(?, model) ORDER BY model, alias`,
        )
        .all(model ?? null)
        .map(toChange)
        .flatMap(({ version, ...rest }) => (version === null ? [] : [{ ...rest, version }])),
    aliasHistory: (model, alias) =>
      db
        .prepare<[string, string | null], AliasRow>(
          'SELECT * FROM alias_changes WHERE model = ? AND alias = coalesce(?, alias) ORDER BY sequence',
        )
        .all(model, alias ?? null)
        .map(toChange),
  }
}

/** MLflow's rule, so that every alias can be mirrored and every URI means one thing. */
function checkAlias(alias: string): void {
  if (/^[\w-]{1,255}$/.test(alias) && !/^(latest|v\d+)$/i.test(alias)) return
  throw new FirnError(
    'invalid-input',
    `${JSON.stringify(alias)} is no name for an alias: use letters, digits, _ and -, at most 255; \`latest\` and names like \`v1\` mean versions. Usual ones are champion and challenger.`,
  )
}

function notReady(db: RegistryDatabase, { model, alias, version }: SetAlias): FirnError {
  const ready = db
    .prepare<[string], { version: number }>(
      `SELECT version FROM versions WHERE model = ? AND state = 'READY' ORDER BY version`,
    )
    .all(model)
  const known = ready.length === 0 ? 'there are none' : ready.map((row) => row.version).join(', ')
  return new FirnError(
    'not-found',
    `model "${model}" has no version ${version} that is READY, so it can't be ${alias}. READY versions: ${known}.`,
  )
}

function toChange(row: AliasRow): AliasChange {
  return {
    ...{
      sequence: row.sequence,
      model: row.model,
      alias: row.alias,
      version: row.version,
      by: row.changed_by,
    },
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...{ forced: row.forced === 1, atMs: row.at_ms },
  }
}
