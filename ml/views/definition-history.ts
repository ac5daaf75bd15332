import type { RegistryDatabase } from '../registry/open-registry-database.js'

export type DefinitionKind = 'entity' | 'feature-view' | 'label-view' | 'feature-service' | 'split' | 'model'

/** A definition as a pipeline has it. */
export interface NamedDefinition {
  readonly kind: DefinitionKind
  readonly pipeline: string
  readonly name: string
  /** SHA-256 of what gives it its meaning: descriptions, tags and owners are no part of it. */
  readonly fingerprint: string
  /** Plain JSON, with the text of its SQL file as `sqlText`. */
  readonly definition: Readonly<Record<string, unknown>>
}

/** A definition as it was recorded: once each time that its meaning changed. */
export interface RecordedDefinition extends NamedDefinition {
  readonly sequence: number
  readonly recordedAtMs: number
  /** The run, workflow or person it was recorded by. */
  readonly recordedBy: string
}

/** What features, splits and models meant when. Rows are only ever added. */
export interface DefinitionHistory {
  /** Adds those whose fingerprint is not the last one of their name; returns these. One durable transaction. */
  recordDefinitions(
    definitions: readonly NamedDefinition[],
    by: { readonly atMs: number; readonly by: string },
  ): readonly NamedDefinition[]
  /** In the order they were recorded. */
  listDefinitions(
    of?: Partial<Pick<NamedDefinition, 'kind' | 'pipeline' | 'name'>>,
  ): readonly RecordedDefinition[]
}

export const DEFINITION_HISTORY_SCHEMA = `
  CREATE TABLE definitions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    definition TEXT NOT NULL,
    recorded_at_ms INTEGER NOT NULL,
    recorded_by TEXT NOT NULL
  );
  CREATE INDEX definitions_by_name ON definitions (pipeline, kind, name, sequence);
  CREATE TRIGGER definitions_are_not_updated BEFORE UPDATE ON definitions
    BEGIN SELECT RAISE(ABORT, 'the history of definitions is not changed'); END;
  CREATE TRIGGER definitions_are_not_deleted BEFORE DELETE ON definitions
    BEGIN SELECT RAISE(ABORT, 'the history of definitions is not changed'); END;`

interface DefinitionRow {
  readonly sequence: number
  readonly kind: DefinitionKind
  readonly pipeline: string
  readonly name: string
  readonly fingerprint: string
  readonly definition: string
  readonly recorded_at_ms: number
  readonly recorded_by: string
}

export function createDefinitionHistory(db: RegistryDatabase): DefinitionHistory {
  return {
    recordDefinitions(definitions, { atMs, by }) {
      const last = db.prepare<[string, string, string], Pick<DefinitionRow, 'fingerprint'>>(`
        SELECT fingerprint FROM definitions WHERE pipeline = ? AND kind = ? AND name = ?
        ORDER BY sequence DESC LIMIT 1`)
      const insert = db.prepare(`
        INSERT INTO definitions (kind, pipeline, name, fingerprint, definition, recorded_at_ms, recorded_by)
        VALUES (@kind, @pipeline, @name, @fingerprint, @definition, @atMs, @by)`)
      const record = db.transaction(() =>
        definitions.filter(({ kind, pipeline, name, fingerprint, definition }) => {
          if (last.get(pipeline, kind, name)?.fingerprint === fingerprint) return false
          insert.run({ kind, pipeline, name, fingerprint, definition: JSON.stringify(definition), atMs, by })
          return true
        }),
      )
      return record.immediate()
    },

    listDefinitions({ kind, pipeline, name } = {}) {
      return db
        .prepare<(string | null)[], DefinitionRow>(
          `SELECT * FROM definitions WHERE kind = coalesce(?, kind) AND pipeline = coalesce(?, pipeline)
             AND name = coalesce(?, name) ORDER BY sequence`,
        )
        .all(kind ?? null, pipeline ?? null, name ?? null)
        .map(({ definition, recorded_at_ms: recordedAtMs, recorded_by: recordedBy, ...row }) => ({
          ...row,
          definition: JSON.parse(definition) as NamedDefinition['definition'],
          recordedAtMs,
          recordedBy,
        }))
    },
  }
}
