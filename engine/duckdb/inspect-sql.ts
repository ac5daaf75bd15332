import type { DuckDBConnection } from '@duckdb/node-api'
import { DuckDBInstance } from '@duckdb/node-api'
import { EngineError } from '../engine.js'

export interface SqlInspection {
  /** Anything but a SELECT is `other`, and nothing more is known of it. */
  readonly statementType: 'select' | 'other'
  /** Tables and views that the text reads, as it spells them (`namespace.name` or `name`), sorted; no CTEs. */
  readonly tables: readonly string[]
  /** Table functions, e.g. `read_parquet`, sorted: what they read is no relation of ours. */
  readonly tableFunctions: readonly string[]
  /**
   * Aggregates whose result depends on the order of rows and that don't give one: the text of each. A window counts too
   * where it has no ORDER BY; whether its order is total cannot be seen here.
   */
  readonly unorderedFloatAggregates: readonly string[]
  /** The text is plain columns of one table, and so many of its first rows are all that it needs. */
  readonly rowsNeeded?: number
}

export interface InspectOptions {
  /** Whether a column of that (unqualified) name is certainly an integer, boolean or decimal: their sums are exact. Default: none is. */
  readonly isExactColumn?: (column: string) => boolean
}

/** What a SQL text reads and where its result could differ from run to run, by DuckDB's own parser; nothing is bound or run. */
export async function inspectSql(sql: string, options: InspectOptions = {}): Promise<SqlInspection> {
  const statements = await parse(sql)
  if (statements === undefined) {
    return { statementType: 'other', tables: [], tableFunctions: [], unorderedFloatAggregates: [] }
  }
  if (statements.length !== 1) {
    throw new EngineError(
      'sql-invalid',
      statements.length === 0
        ? 'there is no SQL here: give one SELECT'
        : `expected one SELECT, but there are ${statements.length}: run them one by one`,
      {
        context: { sql },
      },
    )
  }
  const found: Found = {
    sql: Buffer.from(sql),
    isExactColumn: options.isExactColumn ?? (() => false),
    tables: new Set(),
    tableFunctions: new Set(),
    unordered: [],
  }
  visit(statements[0], new Set(), found)
  const rows = rowsNeeded(statements[0])
  return {
    statementType: 'select',
    ...(rows !== undefined && { rowsNeeded: rows }),
    tables: [...found.tables].sort(),
    tableFunctions: [...found.tableFunctions].sort(),
    unorderedFloatAggregates: found.unordered,
  }
}

/** Text that is equal for SQL of equal meaning to the parser: white space, comments and the case of keywords aside. */
export async function sqlShape(sql: string): Promise<string> {
  const statements = await parse(sql)
  return JSON.stringify(statements ?? sql, (key, value: unknown) =>
    key === 'query_location' ? undefined : value,
  )
}

type Node = Readonly<Record<string, unknown>>

interface Found {
  /** Locations in the tree count bytes. */
  readonly sql: Buffer
  readonly isExactColumn: (column: string) => boolean
  readonly tables: Set<string>
  readonly tableFunctions: Set<string>
  readonly unordered: string[]
}

let connection: Promise<DuckDBConnection> | undefined

async function connect(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  return instance.connect()
}

/** Rows of a query on an empty database, for what DuckDB says of itself. */
export async function selectRows(
  sql: string,
  values: string[] = [],
): Promise<readonly (readonly unknown[])[]> {
  connection ??= connect()
  return (await (await connection).runAndReadAll(sql, values)).getRows()
}

/** The tree of the one SELECT that a text is, as DuckDB serializes it. */
export async function parseSelect(sql: string): Promise<unknown> {
  const [statement, ...others] = (await parse(sql)) ?? []
  if (statement !== undefined && others.length === 0) return statement
  throw new EngineError('sql-invalid', 'expected one SELECT', { context: { sql } })
}

/** `undefined`: not a SELECT. */
async function parse(sql: string): Promise<readonly unknown[] | undefined> {
  const text = (await selectRows('SELECT json_serialize_sql($1::VARCHAR)', [sql]))[0]?.[0]
  const answer = JSON.parse(typeof text === 'string' ? text : '{}') as Node
  if (answer['error'] !== true) return answer['statements'] as readonly unknown[]
  if (answer['error_type'] === 'not implemented') return undefined
  throw new EngineError('sql-invalid', `SQL cannot be parsed: ${textOf(answer['error_message'])}`, {
    context: { sql, position: answer['position'] },
  })
}

/** Only `SELECT columns FROM table LIMIT n [OFFSET m]`: anything else may need rows that it does not give. */
function rowsNeeded(statement: unknown): number | undefined {
  const node = (statement as { readonly node?: Node }).node ?? {}
  const [modifier, ...others] = nodesOf(node['modifiers'])
  const isPlain =
    node['type'] === 'SELECT_NODE' &&
    (node['from_table'] as Node)['type'] === 'BASE_TABLE' &&
    isEmpty((node['from_table'] as Node)['sample']) &&
    isEmpty((node['cte_map'] as Node)['map']) &&
    REDUCING.every((part) => isEmpty(node[part])) &&
    node['aggregate_handling'] === 'STANDARD_HANDLING' &&
    nodesOf(node['select_list']).every(isPlainColumn)
  if (!isPlain || others.length > 0 || modifier?.['type'] !== 'LIMIT_MODIFIER') return undefined
  const [limit, offset] = [constant(modifier['limit']), constant(modifier['offset'] ?? ZERO)]
  return limit === undefined || offset === undefined ? undefined : limit + offset
}

const REDUCING = ['where_clause', 'group_expressions', 'group_sets', 'having', 'sample', 'qualify']
const ZERO = { type: 'VALUE_CONSTANT', value: { value: 0 } }

function isPlainColumn(node: Node): boolean {
  return node['type'] === 'COLUMN_REF' || (node['type'] === 'STAR' && isEmpty(node['expr']))
}

function constant(node: unknown): number | undefined {
  const { type, value } = (node ?? {}) as Node
  const number = type === 'VALUE_CONSTANT' ? (value as Node)['value'] : undefined
  return Number.isSafeInteger(number) && Number(number) >= 0 ? Number(number) : undefined
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}

function nodesOf(value: unknown): readonly Node[] {
  return Array.isArray(value) ? (value as readonly Node[]) : []
}

/** `ctes`: names that mean a common table expression here. */
function visit(value: unknown, ctes: ReadonlySet<string>, found: Found): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, ctes, found)
    return
  }
  if (typeof value !== 'object' || value === null) return
  const node = value as Node
  const inner = node['cte_map'] === undefined ? ctes : visitCtes(node, ctes, found)
  if (node['type'] === 'BASE_TABLE') noteTable(node, inner, found)
  if (node['type'] === 'TABLE_FUNCTION') {
    found.tableFunctions.add(textOf((node['function'] as Node)['function_name']))
  }
  if (isUnordered(node, found)) found.unordered.push(sourceText(node, found.sql))
  for (const [key, child] of Object.entries(node)) {
    if (key !== 'cte_map') visit(child, inner, found)
  }
}

/**
 * Each CTE sees those before it, and itself only where it is recursive; the query sees all. By its own node alone: a CTE
 * that hid itself without being recursive would let a text read a file of that name.
 */
function visitCtes(node: Node, outer: ReadonlySet<string>, found: Found): ReadonlySet<string> {
  const names = new Set(outer)
  const entries = (node['cte_map'] as { readonly map: readonly { key: string; value: Node }[] }).map
  for (const { key, value } of entries) {
    const name = key.toLowerCase()
    const query = (value['query'] as Node)['node'] as Node
    const recursive = query['type'] === 'RECURSIVE_CTE_NODE'
    visit(value, recursive ? new Set([...names, name]) : new Set(names), found)
    names.add(name)
  }
  return names
}

function noteTable(node: Node, ctes: ReadonlySet<string>, found: Found): void {
  const parts = [node['catalog_name'], node['schema_name'], node['table_name']].map(textOf)
  const named = parts.filter((part) => part !== '')
  // A CTE has no schema, so a qualified name is never one, even where it is spelled alike.
  const isCte = named.length === 1 && ctes.has(named.join().toLowerCase())
  if (!isCte) found.tables.add(named.join('.'))
}

/** Exact over integers and decimals, which add up to the same in any order. */
const EXACT_ON_INTEGERS = new Set(['sum', 'avg', 'mean', 'product'])

const ORDER_DEPENDENT = new Set([
  ...EXACT_ON_INTEGERS,
  ...['fsum', 'kahan_sum', 'sumkahan', 'favg', 'geomean', 'geometric_mean', 'approx_quantile'],
  ...['reservoir_quantile', 'var_samp', 'var_pop', 'variance', 'stddev', 'stddev_samp', 'stddev_pop', 'sem'],
  ...['skewness', 'kurtosis', 'kurtosis_pop', 'corr', 'covar_samp', 'covar_pop', 'entropy', 'regr_avgx'],
  ...['regr_avgy', 'regr_intercept', 'regr_r2', 'regr_slope', 'regr_sxx', 'regr_sxy', 'regr_syy'],
  ...[
    'list',
    'array_agg',
    'string_agg',
    'group_concat',
    'listagg',
    'first',
    'last',
    'arbitrary',
    'histogram',
  ],
])

const ORDERED_WINDOWS = new Set([
  ...['row_number', 'lag', 'lead', 'first_value', 'last_value', 'nth_value', 'ntile', 'first', 'last'],
])

function isUnordered(node: Node, found: Found): boolean {
  const isWindow = node['class'] === 'WINDOW'
  if (!isWindow && node['class'] !== 'FUNCTION') return false
  const name = textOf(node['function_name']).toLowerCase()
  if (!ORDER_DEPENDENT.has(name) && !(isWindow && ORDERED_WINDOWS.has(name))) return false
  const orders = isWindow
    ? [...listOf(node['orders']), ...listOf(node['arg_orders'])]
    : listOf((node['order_bys'] as Node | null)?.['orders'])
  if (orders.length > 0) return false
  const children = listOf(node['children'])
  return !(EXACT_ON_INTEGERS.has(name) && children.every((child) => isExact(child, found)))
}

const EXACT_TYPES = new Set([
  ...['BOOLEAN', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'DECIMAL', 'INTEGER_LITERAL'],
  ...['UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'UHUGEINT'],
])
const EXACT_FUNCTIONS = new Set(['+', '-', '*', '//', '%', 'abs', 'coalesce', 'greatest', 'least'])
const INTEGER_FUNCTIONS = new Set(['count', 'count_star', 'len', 'length', 'array_length', 'row_number'])

/** Whether an expression is certainly no float, seen from its text alone. */
function isExact(value: unknown, found: Found): boolean {
  const node = value as Node
  const all = (children: unknown): boolean => listOf(children).every((child) => isExact(child, found))
  switch (node['class']) {
    case 'CONSTANT': {
      const constant = node['value'] as { readonly is_null: boolean; readonly type: { readonly id: string } }
      return constant.is_null || EXACT_TYPES.has(constant.type.id)
    }
    case 'CAST':
      return EXACT_TYPES.has(textOf((node['cast_type'] as Node)['id']))
    case 'CASE': {
      const branches = listOf(node['case_checks']).map((check) => (check as Node)['then_expr'])
      return all(branches) && isExact(node['else_expr'], found)
    }
    case 'COMPARISON':
    case 'CONJUNCTION':
    case 'BETWEEN':
      return true
    case 'OPERATOR':
      return node['type'] === 'OPERATOR_COALESCE'
        ? all(node['children'])
        : /NOT|NULL|IN$/.test(textOf(node['type']))
    case 'FUNCTION': {
      const name = textOf(node['function_name']).toLowerCase()
      return INTEGER_FUNCTIONS.has(name) || (EXACT_FUNCTIONS.has(name) && all(node['children']))
    }
    case 'COLUMN_REF':
      return found.isExactColumn(textOf(listOf(node['column_names']).at(-1)))
    default:
      return false
  }
}

/** The call as it stands in the text, shortened. */
function sourceText(node: Node, sql: Buffer): string {
  const start = Number(node['query_location'])
  const text = sql.subarray(start, start + 400).toString('utf8')
  let depth = 0
  for (let end = 0; end < text.length; end++) {
    if (text[end] === '(') depth++
    if (text[end] === ')' && --depth <= 0) return shorten(text.slice(0, end + 1))
  }
  return `${textOf(node['function_name'])}(…)`
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > 80 ? `${line.slice(0, 79)}…` : line
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
