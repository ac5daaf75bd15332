import { IcebergError } from '../error.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { TableRequirement } from './table-update.js'

/** Throws `commit-conflict` where the table is not as a requirement says. `undefined`: there is no such table. */
export function checkRequirements(
  metadata: TableMetadata | undefined,
  requirements: readonly TableRequirement[],
): void {
  for (const requirement of requirements) {
    const got = actualValue(metadata, requirement)
    const expected = expectedValue(requirement)
    if (got === expected) continue
    const subject =
      requirement.type === 'assert-ref-snapshot-id' ? `ref ${requirement.ref}` : requirement.type.slice(7)
    throw new IcebergError(
      'commit-conflict',
      `${subject} is ${String(got)} where the commit needs ${String(expected)}; load the table again and retry`,
      { context: { requirement: requirement.type, expected: String(expected), got: String(got) } },
    )
  }
}

function expectedValue(requirement: TableRequirement): unknown {
  switch (requirement.type) {
    case 'assert-create':
      return 'absent'
    case 'assert-table-uuid':
      return requirement.uuid.toLowerCase()
    case 'assert-ref-snapshot-id':
      return requirement['snapshot-id']
    case 'assert-last-assigned-field-id':
      return requirement['last-assigned-field-id']
    case 'assert-current-schema-id':
      return requirement['current-schema-id']
    case 'assert-last-assigned-partition-id':
      return requirement['last-assigned-partition-id']
    case 'assert-default-spec-id':
      return requirement['default-spec-id']
    case 'assert-default-sort-order-id':
      return requirement['default-sort-order-id']
  }
}

function actualValue(metadata: TableMetadata | undefined, requirement: TableRequirement): unknown {
  if (metadata === undefined) return 'absent'
  switch (requirement.type) {
    case 'assert-create':
      return 'present'
    case 'assert-table-uuid':
      return metadata['table-uuid'].toLowerCase()
    case 'assert-ref-snapshot-id':
      return metadata.refs[requirement.ref]?.['snapshot-id'] ?? null
    case 'assert-last-assigned-field-id':
      return metadata['last-column-id']
    case 'assert-current-schema-id':
      return metadata['current-schema-id']
    case 'assert-last-assigned-partition-id':
      return metadata['last-partition-id']
    case 'assert-default-spec-id':
      return metadata['default-spec-id']
    case 'assert-default-sort-order-id':
      return metadata['default-sort-order-id']
  }
}
