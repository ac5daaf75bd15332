import { parseSelect, selectRows } from './inspect-sql.js'

/**
 * Whether a function, as DuckDB's catalog knows it, looks at one row alone and gives the same for the same row: no
 * aggregate, nothing volatile, no macro over such. Any other name is not known to be.
 */
export async function isScalarFunction(name: string): Promise<boolean> {
  functions ??= readFunctions()
  const kinds = (await functions).get(name)
  if (kinds === undefined) return false
  for (const { macro, isPlain } of kinds) {
    if (!isPlain || (macro !== undefined && !(await isScalarText(macro)))) return false
  }
  return true
}

interface FunctionKind {
  readonly isPlain: boolean
  /** What a macro stands for. */
  readonly macro?: string
}

let functions: Promise<ReadonlyMap<string, readonly FunctionKind[]>> | undefined
const texts = new Map<string, Promise<boolean>>()

async function readFunctions(): Promise<ReadonlyMap<string, readonly FunctionKind[]>> {
  const rows = await selectRows(
    'SELECT DISTINCT function_name, function_type, macro_definition, stability FROM duckdb_functions()',
  )
  const kinds = new Map<string, FunctionKind[]>()
  for (const [name, type, macro, stability] of rows.map((row) => row.map(String))) {
    const isMacro = type === 'macro'
    const isPlain = isMacro || (['scalar', 'table'].includes(type ?? '') && stability !== 'VOLATILE')
    const kind = { isPlain, ...(isMacro && macro !== undefined ? { macro } : {}) }
    kinds.set(name ?? '', [...(kinds.get(name ?? '') ?? []), kind])
  }
  return kinds
}

function isScalarText(expression: string): Promise<boolean> {
  const known = texts.get(expression)
  if (known !== undefined) return known
  const found = parseSelect(`SELECT ${expression}`).then(isScalarTree)
  texts.set(expression, found)
  return found
}

async function isScalarTree(value: unknown): Promise<boolean> {
  if (Array.isArray(value)) {
    for (const item of value) if (!(await isScalarTree(item))) return false
    return true
  }
  if (typeof value !== 'object' || value === null) return true
  const node = value as Readonly<Record<string, unknown>>
  if (node['class'] === 'SUBQUERY' || node['class'] === 'WINDOW') return false
  if (node['class'] === 'FUNCTION' && !(await isScalarFunction(String(node['function_name'])))) return false
  return await isScalarTree(Object.values(node))
}
