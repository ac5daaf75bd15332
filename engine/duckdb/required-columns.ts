import type { NestedField, Schema, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import type { Select } from './file-schemas.js'
import { quoteName, quoteText } from './sql-text.js'

/** Refuses rows with null where the schema requires a value, within structs and lists too. */
export async function checkRequired(select: Select, schema: Schema, table: string): Promise<void> {
  const checks = schema.fields.flatMap(({ name, type, required }) => {
    const conditions = [
      ...(required ? [`${quoteName(name)} IS NULL`] : []),
      ...(nullInside(type, quoteName(name), 0) ?? []),
    ]
    return conditions.length === 0 ? [] : [{ name, condition: conditions.join(' OR ') }]
  })
  if (checks.length === 0) return
  const counts = checks.map(({ condition }) => `count(*) FILTER (WHERE ${condition})`)
  const [row] = await select(`SELECT ${counts.join(', ')} FROM ${table}`)
  for (const [index, { name }] of checks.entries()) {
    const broken = Number(row?.[index])
    if (broken === 0) continue
    throw new EngineError(
      'data-invalid',
      `column '${name}' is required but null in ${broken} rows: give a value in the SQL or make the column optional`,
      { context: { column: name, rows: broken } },
    )
  }
}

/** Whether the metrics of a file tell that a column has no null where none may be: they know of columns that are not nested. */
export function tellsRequired({ type, required }: NestedField): boolean {
  return isPrimitive(type) || (!required && nullInside(type, 'x', 0) === undefined)
}

/** Conditions under which a value has a null where none may be; `undefined`: it can't have. */
function nullInside(type: Type, value: string, depth: number): readonly string[] | undefined {
  if (isPrimitive(type)) return undefined
  const conditions: string[] = []
  if (type.type === 'struct') {
    for (const field of type.fields) {
      const member = `struct_extract(${value}, ${quoteText(field.name)})`
      if (field.required) conditions.push(`(${value} IS NOT NULL AND ${member} IS NULL)`)
      conditions.push(...(nullInside(field.type, member, depth) ?? []))
    }
  } else if (type.type === 'list') {
    conditions.push(...nullElement(value, type['element-required'], type.element, depth))
  } else {
    conditions.push(...nullElement(`map_values(${value})`, type['value-required'], type.value, depth))
  }
  return conditions.length === 0 ? undefined : conditions
}

function nullElement(list: string, required: boolean, element: Type, depth: number): readonly string[] {
  const item = `e${depth}`
  const conditions = [
    ...(required ? [`${item} IS NULL`] : []),
    ...(nullInside(element, item, depth + 1) ?? []),
  ]
  if (conditions.length === 0) return []
  return [`coalesce(len(list_filter(${list}, lambda ${item}: ${conditions.join(' OR ')})), 0) > 0`]
}
