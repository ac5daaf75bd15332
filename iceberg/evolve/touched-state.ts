import { stringifyJson } from '../spec/json.js'
import { currentSchema } from '../spec/schema.js'
import { defaultSpec } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { TableUpdate } from '../update/table-update.js'

/** The part of a table's state that the updates bear on, as text: equal texts, equal states. */
export function touchedState(metadata: TableMetadata, updates: readonly TableUpdate[]): string {
  return stringifyJson(updates.map((update) => stateOf(metadata, update)))
}

function stateOf(metadata: TableMetadata, update: TableUpdate): unknown {
  switch (update.action) {
    case 'add-schema':
    case 'set-current-schema': {
      const { fields, 'identifier-field-ids': identifier = [] } = currentSchema(metadata)
      return [fields, identifier]
    }
    case 'add-spec':
    case 'set-default-spec':
      return defaultSpec(metadata).fields
    case 'add-sort-order':
    case 'set-default-sort-order':
      return metadata['sort-orders'].find((order) => order['order-id'] === metadata['default-sort-order-id'])
        ?.fields
    case 'set-properties':
      return Object.keys(update.updates).map((key) => metadata.properties[key])
    case 'remove-properties':
      return update.removals.map((key) => metadata.properties[key])
    case 'set-location':
      return metadata.location
    case 'upgrade-format-version':
      return metadata['format-version']
    default:
      return [metadata.statistics, metadata['partition-statistics']]
  }
}
