import type { RegistryDatabase } from './open-registry-database.js'

/** What a tracking server can be told of. */
export type MirrorSubject =
  | { readonly kind: 'run'; readonly runId: string }
  | { readonly kind: 'version'; readonly model: string; readonly version: number }
  | { readonly kind: 'aliases'; readonly model: string }

/** What has changed since a server was told of it last, if ever. */
export type Unmirrored = MirrorSubject & {
  /** What to mark as mirrored once the server knows it. */
  readonly revision: number
}

export interface Mirrored {
  readonly revision: number
  /** Its name on the server: the run's id, the version's number there. */
  readonly remoteId: string
}

/** What tracking servers were told. `target`: the server's address, without any secret. */
export interface MirrorStore {
  mirrored(target: string, subject: MirrorSubject): Mirrored | undefined
  markMirrored(target: string, subject: MirrorSubject, mirrored: Mirrored): void
  /** Runs, then versions, then aliases, oldest first: the order in which they can be told. */
  listUnmirrored(target: string): readonly Unmirrored[]
  /** False where another holder has it and its time is not over. Taking it again lengthens it. */
  takeLease(target: string, subject: string, lease: Lease): boolean
  dropLease(target: string, subject: string, holder: string): void
}

export interface Lease {
  readonly holder: string
  readonly nowMs: number
  readonly untilMs: number
}

export function createMirrorStore(db: RegistryDatabase): MirrorStore {
  const select = db.prepare<[string, string, string], Mirrored>(
    `SELECT revision, remote_id AS remoteId FROM mirrored WHERE target = ? AND kind = ? AND subject = ?`,
  )
  const upsert = db.prepare(`
    INSERT INTO mirrored VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET revision = max(revision, excluded.revision), remote_id = excluded.remote_id`)
  const take = db.prepare(`
    INSERT INTO mirror_leases VALUES (@target, @subject, @holder, @untilMs) ON CONFLICT DO UPDATE
    SET holder = @holder, until_ms = @untilMs WHERE holder = @holder OR until_ms <= @nowMs`)
  const drop = db.prepare('DELETE FROM mirror_leases WHERE target = ? AND subject = ? AND holder = ?')
  return {
    mirrored: (target, subject) => select.get(target, subject.kind, subjectName(subject)),
    markMirrored(target, subject, { revision, remoteId }) {
      upsert.run(target, subject.kind, subjectName(subject), revision, remoteId)
    },
    listUnmirrored: (target) => listUnmirrored(db, target),
    takeLease: (target, subject, lease) => take.run({ target, subject, ...lease }).changes === 1,
    dropLease(target, subject, holder) {
      drop.run(target, subject, holder)
    },
  }
}

export function subjectName(subject: MirrorSubject): string {
  if (subject.kind === 'run') return subject.runId
  return subject.kind === 'version' ? `${subject.model}/${subject.version}` : subject.model
}

function listUnmirrored(db: RegistryDatabase, target: string): readonly Unmirrored[] {
  const runs = db.prepare<[string], { runId: string; revision: number }>(`
    SELECT run_id AS runId, runs.revision FROM runs
    LEFT JOIN mirrored m ON m.target = ? AND m.kind = 'run' AND m.subject = run_id
    WHERE runs.revision > coalesce(m.revision, 0) ORDER BY started_at_ms, run_id`)
  // A version that went before a server heard of it is not news.
  const versions = db.prepare<[string], { model: string; version: number; revision: number }>(`
    SELECT model, version, versions.revision FROM versions
    LEFT JOIN mirrored m ON m.target = ? AND m.kind = 'version' AND m.subject = model || '/' || version
    WHERE versions.revision > coalesce(m.revision, 0)
      AND (state = 'READY' OR state = 'DELETED' AND m.revision IS NOT NULL) ORDER BY model, version`)
  const aliases = db.prepare<[string], { model: string; revision: number }>(`
    SELECT model, max(sequence) AS revision FROM alias_changes a
    LEFT JOIN mirrored m ON m.target = ? AND m.kind = 'aliases' AND m.subject = model
    GROUP BY model HAVING max(sequence) > coalesce(max(m.revision), 0) ORDER BY model`)
  return [
    ...runs.all(target).map((row) => ({ kind: 'run' as const, ...row })),
    ...versions.all(target).map((row) => ({ kind: 'version' as const, ...row })),
    ...aliases.all(target).map((row) => ({ kind: 'aliases' as const, ...row })),
  ]
}
