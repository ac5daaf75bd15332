import type { Catalog, LoadedTable, TableCommit, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { IcebergError, isIcebergError } from '../error.js'
import type { SnapshotId } from '../spec/snapshot.js'
import { changesSince } from './changes-since.js'
import type { Decision } from './decide-rebase.js'
import { decideRebase } from './decide-rebase.js'
import { ManifestFiles } from './manifest-files.js'
import { filesWithNewRows, othersDid } from './others-did.js'
import type { PreparedChange } from './prepare-change.js'
import { prepareChange, writesSnapshot } from './prepare-change.js'
import type { RetryOptions, RetryPolicy } from './retry.js'
import { backOffMs, retryPolicy } from './retry.js'
import type { StageMemo } from './stage-change.js'
import { baseOf, refuseTakenTags, stageChange } from './stage-change.js'
import type {
  BeforeAttempt,
  CollidesWith,
  CommittedTable,
  TableChange,
  TransactionResult,
} from './table-change.js'

/** What to commit to which tables, all or none where the catalog can. */
export interface TransactionOptions<T> {
  readonly catalog: Catalog
  /** At most one a table. */
  readonly changes: readonly TableChange[]
  readonly beforeAttempt?: BeforeAttempt<T>
  /** Without it an insert-new is rebuilt whenever others added rows. */
  readonly collidesWith?: CollidesWith
  readonly now: () => number
  readonly newUuid: () => string
  readonly retry?: RetryOptions
}

/**
 * Commits changes of many tables, all or none, by the rules of docs/decisions/0002-commits.md. Errors: `rebuild-needed`
 * (context: `tables`, of which `giveUp` should be left for later), `commit-rejected`, `commit-conflict` (tries used up),
 * `commit-unknown` (retry with the same snapshot ids), `io` (nothing was committed).
 */
export async function commitTransaction<T = never>(
  options: TransactionOptions<T>,
): Promise<TransactionResult<T>> {
  checkChanges(options.changes)
  const transaction = new Transaction(options)
  try {
    return await transaction.run()
  } catch (error) {
    throw transaction.isUnknown ? asUnknown(options.changes, error) : error
  }
}

class Transaction<T> {
  readonly #options: TransactionOptions<T>
  readonly #identifiers: readonly TableIdentifier[]
  readonly #files: ManifestFiles
  readonly #memos = new Map<string, StageMemo>()
  /** Heads up to which an insert-new's keys were compared already. */
  readonly #checkedUpTo = new Map<string, SnapshotId | null>()
  #prepared: readonly PreparedChange[] = []
  /** The last commit whose answer was lost. */
  #lost: readonly TableCommit[] | undefined
  /** While the heads that it required stand, it may still arrive. */
  #mayArrive = false

  constructor(options: TransactionOptions<T>) {
    this.#options = options
    this.#identifiers = options.changes.map((change) => change.identifier)
    this.#files = new ManifestFiles(options.catalog.io, options.newUuid)
  }

  get isUnknown(): boolean {
    return this.#mayArrive
  }

  async run(): Promise<TransactionResult<T>> {
    const { catalog, changes, now, newUuid } = this.#options
    let tables = await catalog.loadTables(this.#identifiers)
    const policy = retryPolicy(this.#options.retry ?? {}, tables[0]?.metadata.properties ?? {})
    const startedMs = now()
    for (let attempt = 1; ; attempt++) {
      this.#resolveLost(tables)
      const found = changes.filter((change, at) => hasOwnSnapshot(change, tableAt(tables, at)))
      const open = found.length > 0 ? this.#missing(tables) : changes
      if (open.length === 0 || this.#onlyTagged(tables)) return this.#committed(tables, attempt - 1)
      // Some but not all: the catalog tore the transaction, so it is completed, whatever a marker says.
      const value = found.length > 0 ? undefined : await this.#options.beforeAttempt?.(tables)
      if (value !== undefined) {
        this.#mayArrive = false
        return { kind: 'ended', value }
      }
      const outcome = await this.#attempt(attempt, open, tables)
      if (outcome.kind === 'committed') return this.#committed(this.#merge(tables, outcome.tables), attempt)
      if (isExhausted(policy, attempt, now() - startedMs)) throw exhausted(outcome.error, attempt)
      await policy.sleep(backOffMs(policy, attempt, newUuid()))
      tables = await catalog.loadTables(this.#identifiers)
    }
  }

  async #attempt(
    attempt: number,
    open: readonly TableChange[],
    tables: readonly LoadedTable[],
  ): Promise<Outcome> {
    let staged: readonly TableCommit[] = []
    try {
      staged = await this.#stage(attempt, open, tables)
      return { kind: 'committed', tables: await this.#options.catalog.commit(staged) }
    } catch (error) {
      if (isIcebergError(error, 'commit-unknown')) {
        this.#lost = staged
        this.#mayArrive = true
        return { kind: 'again', error }
      }
      // A manifest can vanish where the head moved on and history expired meanwhile.
      if (isIcebergError(error, 'commit-conflict') || isIcebergError(error, 'not-found')) {
        return { kind: 'again', error }
      }
      throw error
    }
  }

  async #stage(attempt: number, open: readonly TableChange[], tables: readonly LoadedTable[]) {
    if (this.#prepared.length === 0) {
      this.#prepared = this.#options.changes.map((change, at) =>
        prepareChange(this.#files, tableAt(tables, at), change),
      )
    }
    const parts = this.#prepared
      .map((prepared, at) => ({ prepared, loaded: tableAt(tables, at) }))
      .filter(({ prepared }) => open.includes(prepared.table))
    for (const { prepared, loaded } of parts) refuseTakenTags(loaded, prepared.table.tags ?? [])
    await this.#decide(parts)
    const now = this.#options.now()
    const staged = await Promise.all(
      parts.map(({ prepared, loaded }) => {
        const name = formatIdentifier(loaded.identifier)
        const memo = this.#memos.get(name) ?? { filtered: new Map() }
        this.#memos.set(name, memo)
        return stageChange(prepared, loaded, { files: this.#files, now, attempt, memo })
      }),
    )
    await this.#files.flush()
    return staged
  }

  /** Throws `rebuild-needed` for all tables that need it at once. */
  async #decide(parts: readonly Part[]): Promise<void> {
    const decisions = await Promise.all(parts.map((part) => this.#decideOne(part)))
    const tablesOf = (wanted: readonly Decision[]) =>
      parts.flatMap(({ loaded }, at) =>
        wanted.includes(decisions[at] ?? 'rebase') ? [formatIdentifier(loaded.identifier)] : [],
      )
    const tables = tablesOf(['rebuild', 'give-up'])
    if (tables.length === 0) return
    throw new IcebergError(
      'rebuild-needed',
      `${tables.join(', ')} changed in ways that matter to this change; compute it again from the new state`,
      { context: { tables, giveUp: tablesOf(['give-up']) } },
    )
  }

  async #decideOne({ prepared, loaded }: Part): Promise<Decision> {
    const { table, tableUuid } = prepared
    // The change as given: also one that came out empty was computed from a basis.
    const { change } = table
    if (loaded.metadata['table-uuid'] !== tableUuid) return 'rebuild'
    if (!('basis' in change)) return 'rebase'
    const name = formatIdentifier(loaded.identifier)
    const head = baseOf(loaded, table.branch ?? 'main')
    // Nothing may be taken back that its caller has not seen.
    if (change.kind === 'set-head') return head?.['snapshot-id'] === change.basis ? 'rebase' : 'rebuild'
    const basis = this.#checkedUpTo.get(name) ?? change.basis
    // A rewrite leaves alone what was added since, and is not to lose to appends by being slower than they are.
    const passAppends = change.kind === 'rewrite'
    const since = await changesSince(this.#files, loaded.metadata, head, basis, { passAppends })
    const decision = decideRebase(change.kind, othersDid(loaded.metadata, change, since))
    if (decision !== 'recheck' || since === undefined) return decision
    if (!writesSnapshot(table)) return 'rebase'
    const collides = await this.#options.collidesWith?.(table, filesWithNewRows(since))
    if (collides !== false) return 'rebuild'
    this.#checkedUpTo.set(name, head?.['snapshot-id'] ?? null)
    return 'rebase'
  }

  /** What a torn transaction still lacks: snapshots, and with them the tags of tables that get none. */
  #missing(tables: readonly LoadedTable[]): readonly TableChange[] {
    const { changes } = this.#options
    const lacks = (change: TableChange, at: number) => !hasOwnSnapshot(change, tableAt(tables, at))
    const isTorn = changes.some((change, at) =>
      leavesSnapshot(change) ? lacks(change, at) : isUnmoved(change, tableAt(tables, at)),
    )
    if (!isTorn) return []
    return changes.filter((change, at) =>
      leavesSnapshot(change) ? lacks(change, at) : !hasRefs(change, tableAt(tables, at)),
    )
  }

  /** A transaction of tags alone leaves no snapshot to look for: after a lost answer its tags tell. */
  #onlyTagged(tables: readonly LoadedTable[]): boolean {
    if (this.#lost === undefined || this.#options.changes.some(leavesSnapshot)) return false
    return this.#lost.every((commit) =>
      commit.updates.every(
        (update) =>
          update.action === 'set-snapshot-ref' &&
          refOf(tables, commit.identifier, update['ref-name']) === update['snapshot-id'],
      ),
    )
  }

  /** Once a head has moved, a commit that required it can't arrive any more. */
  #resolveLost(tables: readonly LoadedTable[]): void {
    this.#mayArrive &&= (this.#lost ?? []).every((commit) =>
      commit.requirements.every(
        (requirement) =>
          requirement.type !== 'assert-ref-snapshot-id' ||
          refOf(tables, commit.identifier, requirement.ref) === requirement['snapshot-id'],
      ),
    )
  }

  #merge(tables: readonly LoadedTable[], committed: readonly LoadedTable[]): readonly LoadedTable[] {
    const byName = new Map(committed.map((table) => [formatIdentifier(table.identifier), table]))
    return tables.map((table) => byName.get(formatIdentifier(table.identifier)) ?? table)
  }

  #committed(tables: readonly LoadedTable[], attempts: number): TransactionResult<T> {
    this.#mayArrive = false
    const committed = this.#options.changes.map((change, at): CommittedTable => {
      const table = tableAt(tables, at)
      const snapshotId = hasOwnSnapshot(change, table)
        ? change.snapshotId
        : baseOf(table, change.branch ?? 'main')?.['snapshot-id']
      return { identifier: change.identifier, ...(snapshotId !== undefined && { snapshotId }), table }
    })
    return { kind: 'committed', tables: committed, attempts: Math.max(attempts, 1) }
  }
}

interface Part {
  readonly prepared: PreparedChange
  readonly loaded: LoadedTable
}

type Outcome =
  | { readonly kind: 'committed'; readonly tables: readonly LoadedTable[] }
  | { readonly kind: 'again'; readonly error: IcebergError }

/** Anywhere among the snapshots: a rollback after our commit doesn't undo that it happened. */
function hasOwnSnapshot(change: TableChange, loaded: LoadedTable): boolean {
  return loaded.metadata.snapshots.some((known) => known['snapshot-id'] === change.snapshotId)
}

/** Manifests that lie well already are left as they are: such a change is over without a snapshot. */
function leavesSnapshot(change: TableChange): boolean {
  return writesSnapshot(change) && change.change.kind !== 'rewrite-manifests'
}

/** What a change does that leaves no snapshot. An empty table is never tagged. */
function hasRefs(table: TableChange, loaded: LoadedTable): boolean {
  const { branch = 'main', tags = [], renames = [] } = table
  const { refs } = loaded.metadata
  if (isUnmoved(table, loaded) || renames.some(({ from }) => refs[from] !== undefined)) return false
  return baseOf(loaded, branch) === undefined || tags.every((tag) => refs[tag.name] !== undefined)
}

/** A head that has moved on was set before that. */
function isUnmoved({ change }: TableChange, { metadata }: LoadedTable): boolean {
  return change.kind === 'set-head' && metadata.refs['main']?.['snapshot-id'] === change.basis
}

function refOf(tables: readonly LoadedTable[], identifier: TableIdentifier, ref: string): SnapshotId | null {
  const name = formatIdentifier(identifier)
  const table = tables.find((loaded) => formatIdentifier(loaded.identifier) === name)
  return table?.metadata.refs[ref]?.['snapshot-id'] ?? null
}

function checkChanges(changes: readonly TableChange[]): void {
  const names = new Set(changes.map((change) => formatIdentifier(change.identifier)))
  if (names.size === changes.length) return
  throw new IcebergError('invalid-argument', 'a transaction names a table twice; join its changes into one')
}

function tableAt(tables: readonly LoadedTable[], at: number): LoadedTable {
  const table = tables[at]
  if (table !== undefined) return table
  throw new IcebergError('data-invalid', 'the catalog gave back fewer tables than it was asked for')
}

function isExhausted(policy: RetryPolicy, attempt: number, elapsedMs: number): boolean {
  return attempt >= policy.tries || elapsedMs >= policy.totalTimeoutMs
}

function exhausted(error: IcebergError, attempts: number): IcebergError {
  return new IcebergError(error.kind, `gave up after ${attempts} attempts: ${error.message}`, {
    context: { ...error.context, attempts },
    cause: error,
  })
}

/** Whatever went wrong later, a lost commit that may still arrive makes the whole outcome unknown. */
function asUnknown(changes: readonly TableChange[], cause: unknown): IcebergError {
  if (isIcebergError(cause, 'commit-unknown')) return cause
  const tables = changes.map((change) => formatIdentifier(change.identifier))
  return new IcebergError(
    'commit-unknown',
    `the answer to the commit of ${tables.join(', ')} was lost and the tables do not tell yet; retry with the same snapshot ids`,
    { context: { tables }, cause },
  )
}
