import type { Properties, TableCommit } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { parseTableCommit, parseTransaction } from '../../iceberg/rest/table-documents.js'
import type { TableUpdate } from '../../iceberg/update/table-update.js'
import { requireAccess } from './access.js'
import { requireLog, requireUpdates } from './allowed-locations.js'
import { type Call, type CatalogService, type Handlers, identifierOf, NO_CONTENT, parsed } from './call.js'
import { badRequest } from './problem.js'
import { tableAnswer } from './table-answer.js'

const subject = () => ({ kind: 'table' }) as const

export const COMMIT_HANDLERS: Handlers = {
  updateTable: {
    subject,
    async handle(call, service) {
      const commit = parsed(() => parseTableCommit(call.body, identifierOf(call)))
      await requireAllowed([commit], call, service)
      const [table] = await service.catalog.commit([commit])
      if (table === undefined) throw badRequest('the commit names no table')
      return tableAnswer(table)
    },
  },
  commitTransaction: {
    subject,
    async handle(call, service) {
      const commits = parsed(() => parseTransaction(call.body))
      await requireAllowed(commits, call, service)
      await service.catalog.commit(commits)
      return NO_CONTENT
    },
  },
}

async function requireAllowed(
  commits: readonly TableCommit[],
  call: Call,
  service: CatalogService,
): Promise<void> {
  for (const commit of commits) requireAllowedUpdates(commit, call, service)
  // One after the other: they are in the catalog's memory, as a rule.
  for (const { identifier, updates } of commits) {
    const known = await ifFound(service.catalog.loadTable(identifier))
    if (known !== undefined && deletesLog(known.metadata.properties, updates))
      requireLog(service, call.who, known.metadata, identifier)
  }
}

function deletesLog(properties: Properties, updates: readonly TableUpdate[]): boolean {
  const key = 'write.metadata.delete-after-commit.enabled'
  return (
    properties[key] !== undefined ||
    updates.some((update) => update.action === 'set-properties' && update.updates[key] !== undefined)
  )
}

function requireAllowedUpdates(commit: TableCommit, { who }: Call, service: CatalogService): void {
  const { identifier, requirements, updates } = commit
  requireAccess(who, identifier.namespace, 'write')
  requireUpdates(service, who, updates, identifier)
  const others = requirements.filter((requirement) => requirement.type !== 'assert-create')
  if (others.length < requirements.length && others.length > 0) {
    const types = others.map((requirement) => requirement.type).join(', ')
    throw badRequest(`a commit that creates a table can require nothing else of it: ${types}`)
  }
}
