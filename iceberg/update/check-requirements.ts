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
    throw new IcebergError(
      'commit-conflict',
      `Requirement failed: ${reason(metadata, requirement, got, expected)}; load the table again and retry`,
      { context: { requirement: requirement.type, expected: String(expected), got: String(got) } },
    )
  }
}

/** In the words of Java's library: clients of REST catalogs look for them. "Expected" is there what the table has. */
function reason(
  metadata: TableMetadata | undefined,
  requirement: TableRequirement,
  got: unknown,
  expected: unknown,
): string {
  if (metadata === undefined) return 'table does not exist'
  const difference = `expected id ${String(got)} != ${String(expected)}`
  switch (requirement.type) {
    case 'assert-create':
      return 'table already exists'
    case 'assert-table-uuid':
      return `UUID does not match: expected ${String(got)} != ${String(expected)}`
    case 'assert-ref-snapshot-id': {
      const { ref } = requirement
      const kind = metadata.refs[ref]?.type ?? 'branch or tag'
      if (got === null) return `branch or tag ${ref} is missing, expected ${String(expected)}`
      return expected === null
        ? `${kind} ${ref} was created concurrently`
        : `${kind} ${ref} has changed: ${difference}`
    }
    case 'assert-last-assigned-field-id':
      return `last assigned field id changed: ${difference}`
    case 'assert-current-schema-id':
      return `current schema changed: ${difference}`
    case 'assert-last-assigned-partition-id':
      return `last assigned partition id changed: ${difference}`
    case 'assert-default-spec-id':
      return `default partition spec changed: ${difference}`
    case 'assert-default-sort-order-id':
      return `default sort order changed: ${difference}`
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
