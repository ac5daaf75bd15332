import { EngineError } from '../engine.js'
import { parseSelect } from './inspect-sql.js'
import { isScalarFunction } from './scalar-functions.js'

/**
 * What a relation gives a SELECT: the columns that hold a row's key, maybe none; or the same rows whatever keys there
 * are.
 */
export type KeyedRows = readonly string[] | 'same'

/**
 * Whether rows of different keys never meet in a SELECT, so that it may run on some of the keys at a time: `undefined`
 * where that is proven, else what stands against it. Proven is the plain case only: joins on the key, groups and windows
 * by it, no limits, no subqueries in expressions, no set operations. `relations`: by name as the SQL spells it. `output`:
 * the column that has to hold each row's key.
 */
export async function keysMeet(
  sql: string,
  relations: ReadonlyMap<string, KeyedRows>,
  output: string,
): Promise<string | undefined> {
  try {
    const statement = await parseSelect(sql)
    const named = new Map([...relations].map(([name, rows]) => [name.toLowerCase(), lowerCase(rows)]))
    const rows = await queryRows((statement as Node)['node'] as Node, named)
    if (rows === 'same') return 'it reads nothing that belongs to a record'
    return rows.includes(output.toLowerCase()) ? undefined : `its ${output} is not certainly the record's id`
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'unsupported') return error.message
    throw error
  }
}

type Node = Readonly<Record<string, unknown>>
type Named = ReadonlyMap<string, KeyedRows>
/** Relations of a FROM clause by alias. */
type Scope = ReadonlyMap<string, KeyedRows>

async function queryRows(node: Node, outer: Named): Promise<KeyedRows> {
  if (node['type'] !== 'SELECT_NODE') throw meets(`a ${textOf(node['type']) || 'query'} of several SELECTs`)
  const named = await withCtes(node, outer)
  if (isSet(node['sample'])) throw meets('a sample')
  const scope = await fromScope(node['from_table'] as Node, named)
  const isKeyed = [...scope.values()].some((rows) => rows !== 'same')
  const groups = listOf(node['group_expressions'])
  if (isKeyed) refuseForeignGroups(node, groups, scope)
  const mayAggregate = !isKeyed || groups.length > 0
  const modifiers = listOf(node['modifiers'])
  const parts = [
    node['select_list'],
    groups,
    node['where_clause'],
    node['having'],
    node['qualify'],
    modifiers,
  ]
  for (const part of parts) await checkExpressions(part, isKeyed ? scope : undefined, mayAggregate)
  const rows = isKeyed ? selectedKeys(listOf(node['select_list']), scope) : 'same'
  for (const { type, distinct_on_targets: targets } of modifiers) {
    if (type === 'ORDER_MODIFIER' || rows === 'same') continue
    const isDistinct = type === 'DISTINCT_MODIFIER' && listOf(targets).length === 0 && rows.length > 0
    if (!isDistinct) throw meets(type === 'DISTINCT_MODIFIER' ? 'a DISTINCT without the key' : 'a LIMIT')
  }
  return rows
}

async function withCtes(node: Node, outer: Named): Promise<Named> {
  const named = new Map(outer)
  for (const { key, value } of listOf((node['cte_map'] as Node | undefined)?.['map'])) {
    const query = (value as Node)['query'] as Node
    if (listOf((value as Node)['aliases']).length > 0) throw meets('a WITH that renames columns')
    named.set(textOf(key).toLowerCase(), await queryRows(query['node'] as Node, named))
  }
  return named
}

async function fromScope(table: Node, named: Named): Promise<Scope> {
  if (isSet(table['sample'])) throw meets('a sample')
  if (listOf(table['column_name_alias']).length > 0 && table['type'] !== 'TABLE_FUNCTION')
    throw meets('columns renamed behind a relation')
  const alias = textOf(table['alias']).toLowerCase()
  switch (table['type']) {
    case 'EMPTY':
      return new Map()
    case 'BASE_TABLE': {
      const name = textOf(table['table_name'])
      const rows = named.get(name.toLowerCase())
      if (rows === undefined || textOf(table['schema_name']) !== '')
        throw meets(`${name}, of which nothing is known`)
      return new Map([[alias || name.toLowerCase(), rows]])
    }
    case 'SUBQUERY': {
      const { node } = table['subquery'] as { readonly node: Node }
      return new Map([[alias || 'unnamed_subquery', await queryRows(node, named)]])
    }
    case 'TABLE_FUNCTION': {
      const call = table['function'] as Node
      const name = textOf(call['function_name'])
      if (!['unnest', 'range', 'generate_series'].includes(name)) throw meets(`${name}()`)
      await checkExpressions(call['children'], undefined, false)
      return new Map([[alias || name, 'same']])
    }
    case 'JOIN':
      return await joinScope(table, named)
    default:
      throw meets(`a ${textOf(table['type'])}`)
  }
}

async function joinScope(join: Node, named: Named): Promise<Scope> {
  const left = await fromScope(join['left'] as Node, named)
  const right = await fromScope(join['right'] as Node, named)
  const type = textOf(join['join_type'])
  const isPlain = ['REGULAR', 'CROSS'].includes(textOf(join['ref_type']))
  if (!isPlain || !['INNER', 'LEFT', 'SEMI', 'ANTI'].includes(type))
    throw meets(`a join of kind ${textOf(join['ref_type'])} ${type}`)
  const [isLeft, isRight] = [left, right].map((side) => [...side.values()].some((rows) => rows !== 'same'))
  if (isRight === true && isLeft !== true && type !== 'INNER')
    throw meets(`a ${type} join of rows of no record with rows of records`)
  if (isLeft === true && isRight === true && !joinsOnKey(join, left, right))
    throw meets('a join of two relations of records without an equality of their keys')
  const both = new Map([...left, ...right])
  if (both.size < left.size + right.size) throw meets('two relations of one name')
  await checkExpressions(join['condition'], both, false)
  if (type === 'SEMI' || type === 'ANTI') return left
  // Where nothing matches, the right side's key is null.
  const seen = type === 'INNER' ? right : new Map([...right].map(([name, rows]) => [name, noKey(rows)]))
  return new Map([...left, ...seen])
}

function joinsOnKey(join: Node, left: Scope, right: Scope): boolean {
  const using = listOf(join['using_columns']).map((name) => textOf(name).toLowerCase())
  const hasKey = (scope: Scope, name: string): boolean =>
    [...scope.values()].some((rows) => rows !== 'same' && rows.includes(name))
  if (using.some((name) => hasKey(left, name) && hasKey(right, name))) return true
  return conjuncts(join['condition']).some((condition) => {
    if (condition['type'] !== 'COMPARE_EQUAL') return false
    const [a, b] = [condition['left'] as Node, condition['right'] as Node]
    return (isKey(a, left) && isKey(b, right)) || (isKey(b, left) && isKey(a, right))
  })
}

function conjuncts(condition: unknown): readonly Node[] {
  if (!isNode(condition)) return []
  return condition['type'] === 'CONJUNCTION_AND'
    ? listOf(condition['children']).flatMap(conjuncts)
    : [condition]
}

function refuseForeignGroups(node: Node, groups: readonly Node[], scope: Scope): void {
  if (node['aggregate_handling'] !== 'STANDARD_HANDLING') throw meets('GROUP BY ALL')
  if (groups.length === 0) {
    if (isSet(node['having'])) throw meets('a HAVING without groups')
    return
  }
  const sets = node['group_sets']
  if (Array.isArray(sets) && sets.length > 1) throw meets('several grouping sets')
  if (!groups.some((group) => isKey(group, scope))) throw meets('groups of rows of several records')
}

/** `scope`: where windows have to be by one of its keys; undefined where no row belongs to a record. */
async function checkExpressions(
  value: unknown,
  scope: Scope | undefined,
  mayAggregate: boolean,
): Promise<void> {
  if (Array.isArray(value)) {
    for (const item of value) await checkExpressions(item, scope, mayAggregate)
    return
  }
  if (!isNode(value)) return
  const kind = value['class']
  if (kind === 'SUBQUERY') throw meets('a subquery in an expression')
  if (kind === 'WINDOW' && scope !== undefined) {
    if (!listOf(value['partitions']).some((part) => isKey(part, scope)))
      throw meets('a window over rows of several records')
    const name = textOf(value['function_name']).toLowerCase()
    if (!EXACT_IN_WINDOWS.has(name)) throw meets(`${name}() in a window, which adds up by where its rows lie`)
  }
  if (kind === 'FUNCTION' && !mayAggregate) {
    const name = textOf(value['function_name']).toLowerCase()
    if (!(await isScalarFunction(name))) throw meets(`${name}() over rows of several records`)
  }
  for (const child of Object.values(value)) await checkExpressions(child, scope, mayAggregate)
}

/** Others go by a tree over all rows of several windows: floats come out otherwise in the last digit beside other rows. */
const EXACT_IN_WINDOWS = new Set([
  ...[
    'row_number',
    'rank',
    'dense_rank',
    'percent_rank',
    'cume_dist',
    'ntile',
    'lag',
    'lead',
    'first',
    'last',
  ],
  ...['first_value', 'last_value', 'nth_value', 'min', 'max', 'count', 'count_star', 'bool_and', 'bool_or'],
])

/** With a star only what it brings counts: it may bring another column of any name. */
function selectedKeys(selected: readonly Node[], scope: Scope): readonly string[] {
  const nameOf = (item: Node): string =>
    (
      textOf(item['alias']) || textOf((item['column_names'] as readonly unknown[] | undefined)?.at(-1))
    ).toLowerCase()
  const stars = selected.filter((item) => item['class'] === 'STAR')
  const named = selected.filter((item) => item['class'] !== 'STAR')
  const others = new Set(named.filter((item) => !isKey(item, scope)).map(nameOf))
  if (stars.length === 0) {
    const keys = named.filter((item) => isKey(item, scope)).map(nameOf)
    return keys.filter((name) => !others.has(name))
  }
  const [star] = stars
  const [rows] = scope.values()
  const isPlain = ['exclude_list', 'qualified_exclude_list', 'replace_list', 'rename_list', 'expr'].every(
    (part) => listOf(star?.[part]).length === 0 && !isNode(star?.[part]),
  )
  if (stars.length > 1 || scope.size > 1 || !isPlain || rows === undefined || rows === 'same') return []
  return rows.filter((name) => !others.has(name))
}

/** A plain column that holds the key. A name that two relations have is refused by the engine itself. */
function isKey(node: Node, scope: Scope): boolean {
  if (node['class'] !== 'COLUMN_REF') return false
  const names = listOf(node['column_names']).map((name) => textOf(name).toLowerCase())
  const [first = '', second] = names
  if (names.length > 2) return false
  const rows = second === undefined ? [...scope.values()] : [scope.get(first) ?? 'same']
  return rows.some((columns) => columns !== 'same' && columns.includes(second ?? first))
}

function noKey(rows: KeyedRows): KeyedRows {
  return rows === 'same' ? rows : []
}

function lowerCase(rows: KeyedRows): KeyedRows {
  return rows === 'same' ? rows : rows.map((name) => name.toLowerCase())
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null
}

function listOf(value: unknown): readonly Node[] {
  return Array.isArray(value) ? (value as readonly Node[]) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function meets(what: string): EngineError {
  return new EngineError('unsupported', `it has ${what}`)
}
