import { joinLocation } from '../iceberg/io/location.js'
import { currentSchema } from '../iceberg/spec/schema.js'
import { defaultSpec } from '../iceberg/spec/specs.js'
import type { TableMetadata } from '../iceberg/spec/table-metadata.js'
import type { WriteTarget } from './engine.js'

/** What a write takes from the table that its files are for. */
export function tableTarget(metadata: TableMetadata): Pick<WriteTarget, 'schema' | 'spec' | 'dataLocation'> {
  return {
    schema: currentSchema(metadata),
    spec: defaultSpec(metadata),
    dataLocation: joinLocation(metadata.location, 'data'),
  }
}
