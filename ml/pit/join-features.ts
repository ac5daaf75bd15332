import { quoteName, sqlType } from '../../engine/duckdb/sql-text.js'
import type { EngineSession, RowValue } from '../../engine/engine.js'
import { relationSql } from '../views/add-rows.js'
import type { ResolvedFeature, ResolvedView } from '../views/resolved-view.js'
import { checkEntityRows, checkView, columnsOf } from './check-columns.js'
import { orderOf } from './total-order.js'

/** A view whose rows are a relation of the session. */
export interface ViewRelation {
  readonly view: ResolvedView
  /** Name of a relation with join keys, times and features; pinned by whoever added it. */
  readonly relation: string
}

export interface JoinFeaturesOptions {
  readonly session: EngineSession
  /** Relation of entity rows: join keys, an observation time, anything else. Duplicates are allowed. */
  readonly entityRows: string
  readonly timestampField: string
  readonly views: readonly ViewRelation[]
  /** In the order of the columns wanted. */
  readonly features: readonly ResolvedFeature[]
  /** Name of the relation that is made: the columns of the entity rows, in their order, then the features. */
  readonly into: string
  /** Only rows known by the observation time where a view says when its rows were known. Default true. */
  readonly knownBy?: boolean
}

/**
 * The point-in-time join: beside each entity row, in the order they were given, what each view said at its time. Of the
 * rows with its keys and `time − ttl <= feature time <= time`, known by then, the latest wins; then the one known last;
 * then the greatest by `orderOf`. Times are instants: dates begin at midnight and timestamps without a zone are in UTC.
 * A row whose keys or time are null (or whose time is infinite) gets nulls. Errors: FirnError `config`.
 *
 * One view at a time, and first only its keys and times: the features are read of the rows that won. What remains between
 * views are its columns, which spill.
 */
export async function joinFeatures(options: JoinFeaturesOptions): Promise<void> {
  const { session, entityRows, timestampField, views, features, into } = options
  const given = await columnsOf(session, entityRows)
  checkEntityRows(options, given)
  const add = adder(session, into)
  const rows = await add(`SELECT row_number() OVER () AS ${ROW}, * FROM ${relationSql(entityRows)}`)
  const probes = new Map<string, Probes>()
  /** By view: the relation of its features. */
  const joined = new Map<string, string>()
  for (const { view, relation } of views) {
    const wanted = features.filter(({ view: name }) => name === view.name)
    if (wanted.length === 0) continue
    checkView({ view, given, columns: await columnsOf(session, relation) })
    const by = JSON.stringify(view.joinKeys)
    const probe =
      probes.get(by) ?? (await addProbes(session, add, { rows, timestampField, joinKeys: view.joinKeys }))
    probes.set(by, probe)
    const knownBy = options.knownBy ?? true
    joined.set(
      view.name,
      await add(viewSql({ view, relation: relationSql(relation), wanted, rows, probe, knownBy })),
    )
  }
  // Each has a row for every entity row, in their order, so nothing is hashed or sorted once more.
  const from = [
    `${rows} r`,
    ...[...joined].map(([view, relation]) => `${relation} ${quoteName(`v ${view}`)}`),
  ]
  const columns = [
    ...[...given.keys()].map((column) => `r.${quoteName(column)}`),
    ...features.map(({ view, column }) => `${quoteName(`v ${view}`)}.${quoteName(column)}`),
  ]
  const sql = `SELECT ${columns.join(', ')} FROM ${from.join(' POSITIONAL JOIN ')}`
  await session.addRelation({ kind: 'query', name: into, sql, lazy: true })
}

/** Number of an entity row, beside columns of any name. */
const ROW = '"firn row"'

/** Makes a relation of a SELECT, in a schema of their own, and returns its name as SQL says it. */
function adder(session: EngineSession, into: string): (sql: string) => Promise<string> {
  const schema = `joining ${into.replaceAll('.', ' ')}`
  let count = 0
  return async (sql) => {
    const name = `${schema}.${count++}`
    await session.addRelation({ kind: 'query', name, sql })
    return relationSql(name)
  }
}

/** What views with the same join keys are asked. */
interface Probes {
  /** (k0, k1, …, key_no, first_us, last_us): each combination of keys, numbered, and when it is asked for. */
  readonly keys: string
  /** (row_no, key_no, us): number of an entity row and of its keys, its time in µs. */
  readonly asked: string
  /** µs; undefined: nothing is asked. */
  readonly first: bigint | undefined
  readonly last: bigint | undefined
}

async function addProbes(
  session: EngineSession,
  add: (sql: string) => Promise<string>,
  of: { readonly rows: string; readonly timestampField: string; readonly joinKeys: readonly string[] },
): Promise<Probes> {
  const { rows, timestampField, joinKeys } = of
  const columns = joinKeys.map((key) => `r.${quoteName(key)}`)
  const at = microseconds(`r.${quoteName(timestampField)}`)
  const keys = await add(`SELECT *, row_number() OVER () AS key_no FROM (
    SELECT ${columns.map((column, i) => `${column} AS k${i}`).join(', ')}, min(${at}) AS first_us, max(${at}) AS last_us
    FROM ${rows} r WHERE ${[at, ...columns].map((column) => `${column} IS NOT NULL`).join(' AND ')} GROUP BY ALL)`)
  const asked = await add(`SELECT r.${ROW} AS row_no, k.key_no, ${at} AS us
    FROM ${rows} r JOIN ${keys} k ON ${columns.map((column, i) => `${column} = k.k${i}`).join(' AND ')}
    WHERE ${at} IS NOT NULL`)
  const bounds = await session.query(`SELECT min(first_us) AS first, max(last_us) AS last FROM ${keys}`)
  const { first, last } = bounds.rows[0] ?? {}
  return { keys, asked, first: asBigint(first), last: asBigint(last) }
}

function asBigint(value: RowValue | undefined): bigint | undefined {
  return typeof value === 'bigint' ? value : undefined
}

interface ViewJoin {
  readonly view: ResolvedView
  readonly relation: string
  readonly wanted: readonly ResolvedFeature[]
  readonly rows: string
  readonly probe: Probes
  readonly knownBy: boolean
}

/**
 * A SELECT of a view's features, a row for each entity row in their order. `rank` orders the rows of one key: by feature
 * time and then by when they were known. Only of those that are equal in both are all features read, to choose by
 * `orderOf`; the choice is made by number, since the engine's sort gives −0.0 back as 0.0.
 */
function viewSql(join: ViewJoin): string {
  const { view, wanted, rows } = join
  const all = view.schema.map(({ name, type }, i) => ({ name, type, column: `c${i}` }))
  const outputs = wanted.map((feature) => ({
    ...feature,
    from: all.find(({ name }) => name === feature.feature)?.column ?? '',
  }))
  const needed = [...new Set(outputs.map(({ from }) => from))]
  const read = (columns: readonly (typeof all)[number][]): string =>
    candidatesSql(
      join,
      columns.map(({ name, column }) => `s.${quoteName(name)} AS ${column}`),
    )
  return `
    WITH hits AS MATERIALIZED (${hitsSql(join)}),
    found AS MATERIALIZED (
      SELECT key_no, rank, ${needed.join(', ')} FROM (${read(all.filter(({ column }) => needed.includes(column)))})
      SEMI JOIN hits USING (key_no, rank)
    ),
    tied AS MATERIALIZED (SELECT key_no, rank FROM found GROUP BY ALL HAVING count(*) > 1),
    contested AS MATERIALIZED (
      SELECT *, row_number() OVER () AS number FROM (${read(all)}) SEMI JOIN tied USING (key_no, rank)
    ),
    chosen AS (
      SELECT number FROM contested
      QUALIFY row_number() OVER (PARTITION BY key_no, rank ORDER BY ${orderOf(all).join(', ')}) = 1
    ),
    winners AS (
      SELECT * FROM found ANTI JOIN tied USING (key_no, rank)
      UNION ALL SELECT key_no, rank, ${needed.join(', ')} FROM contested SEMI JOIN chosen USING (number)
    )
    SELECT ${outputs.map(({ from, type, column }) => `CAST(w.${from} AS ${sqlType(type)}) AS ${quoteName(column)}`).join(', ')}
    FROM ${rows} r LEFT JOIN (SELECT * FROM hits JOIN winners USING (key_no, rank)) w ON w.row_no = r.${ROW}
    ORDER BY r.${ROW}`
}

/** (row_no, key_no, rank): which rows win for an entity row; those that have none are left out. */
function hitsSql(join: ViewJoin): string {
  const { view, probe, knownBy } = join
  const { ttlMs, createdTimestampField: created } = view
  // 128 bits: between two times of 64 there may be more.
  const time = created === undefined ? 'v.rank' : 'v.us'
  const valid = ttlMs === undefined ? 'true' : `CAST(p.us AS HUGEINT) - ${time} <= ${BigInt(ttlMs) * 1000n}`
  const candidates = candidatesSql(join, [])
  if (created === undefined || !knownBy) {
    const latest = created === undefined ? 'p.us' : rankOf('p.us', GREATEST)
    return `SELECT p.row_no, p.key_no, v.rank FROM ${probe.asked} p
      ASOF JOIN (${candidates}) v ON v.key_no = p.key_no AND v.rank <= ${latest} WHERE ${valid}`
  }
  // A row that became known late does not hide one of a later time that was known before it: the greatest so far wins.
  return `SELECT p.row_no, p.key_no, v.rank FROM ${probe.asked} p
    ASOF JOIN (
      SELECT key_no, since, max(rank) OVER so_far AS rank, max(us) OVER so_far AS us FROM (${candidates})
      WINDOW so_far AS (PARTITION BY key_no ORDER BY since RANGE UNBOUNDED PRECEDING)
    ) v ON v.key_no = p.key_no AND v.since <= p.us WHERE ${valid}`
}

/**
 * (key_no, us, since, rank, columns) of the rows between the times at which their keys are asked for. `since`: from when on
 * they are known.
 */
function candidatesSql({ view, relation, probe, knownBy }: ViewJoin, columns: readonly string[]): string {
  const { joinKeys, timestampField, createdTimestampField } = view
  const time = `s.${quoteName(timestampField)}`
  const at = microseconds(time)
  const created = createdTimestampField && microseconds(`s.${quoteName(createdTimestampField)}`)
  const known = knownBy && created
  const rank = created ? rankOf(at, `coalesce(${created}, ${LEAST})`) : at
  const since = known ? `greatest(${at}, ${created})` : at
  const earliest = view.ttlMs === undefined ? undefined : earlierSql('first_us', view.ttlMs)
  return `SELECT ${['k.key_no', `${at} AS us`, `${since} AS since`, `${rank} AS rank`, ...columns].join(', ')}
    FROM ${relation} s
    JOIN (SELECT *${earliest ? `, ${earliest} AS earliest_us` : ''} FROM ${probe.keys}) k
      ON ${joinKeys.map((key, i) => `s.${quoteName(key)} = k.k${i}`).join(' AND ')}
    WHERE ${boundsSql(time, probe, view.ttlMs)} AND ${at} <= k.last_us
      ${earliest ? `AND ${at} >= k.earliest_us` : ''} ${known ? `AND ${created} <= k.last_us` : ''}`
}

/** Not before the first instant of 64 bits. */
function earlierSql(us: string, ms: number): string {
  return `CAST(greatest(CAST(${us} AS HUGEINT) - ${BigInt(ms) * 1000n}, ${LEAST}) AS BIGINT)`
}

/** What lies before or behind all that is asked for is not even read, where files know their bounds. */
function boundsSql(time: string, { first, last }: Probes, ttlMs: number | undefined): string {
  if (first === undefined || last === undefined) return 'false'
  const bound = (us: bigint): string => `make_timestamptz(${us})`
  const earliest = ttlMs === undefined ? undefined : first - BigInt(ttlMs) * 1000n
  const instant = `CAST(${time} AS TIMESTAMPTZ)`
  return [
    `${instant} <= ${bound(last)}`,
    ...(earliest === undefined || earliest < EARLIEST ? [] : [`${instant} >= ${bound(earliest)}`]),
  ].join(' AND ')
}

/** The engine's own first instant, in µs. */
const EARLIEST = -9_223_372_022_400_000_000n

/** Of 64 bits. */
const LEAST = '-9223372036854775808'
const GREATEST = '9223372036854775807'

/** Two numbers of 64 bits as one of 128, ordered by the first and then the second. */
function rankOf(first: string, second: string): string {
  return `(CAST(${first} AS HUGEINT) * 18446744073709551616 + CAST(${second} AS HUGEINT))`
}

/** Null for infinite times. Sessions are in UTC, so dates and times without a zone are read in it. */
function microseconds(column: string): string {
  return `epoch_us(CAST(${column} AS TIMESTAMPTZ))`
}
