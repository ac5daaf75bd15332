import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { auditIdentifier, sourceIdsName } from '../../schemas/lake-tables.js'
import type { NamedSource } from '../land/source-of.js'

/** Every table in a pipeline's namespace: its own, the source's built record ids and the audit table, in this order. */
export function featureTables({ pipeline, name: source }: NamedSource): readonly TableIdentifier[] {
  const { namespace, tables } = pipeline
  const names = [...Object.keys(tables), sourceIdsName(source)]
  return [...names.map((name) => ({ namespace, name })), auditIdentifier(namespace)]
}
