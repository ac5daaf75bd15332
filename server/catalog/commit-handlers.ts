import type { TableCommit } from '../../iceberg/catalog/catalog.js'
import { parseTableCommit, parseTransaction } from '../../iceberg/rest/table-documents.js'
import { requireAccess } from './access.js'
import { requireUpdates } from './allowed-locations.js'
import { type Call, type CatalogService, type Handlers, identifierOf, NO_CONTENT, parsed } from './call.js'
import { badRequest } from './problem.js'
import { tableAnswer } from './table-answer.js'

const subject = () => ({ kind: 'table' }) as const

export const COMMIT_HANDLERS: Handlers = {
  updateTable: {
    subject,
    async handle(call, service) {
      const commit = parsed(() => parseTableCommit(call.body, identifierOf(call)))
      requireAllowed(commit, call, service)
      const [table] = await service.catalog.commit([commit])
      if (table === undefined) throw badRequest('the commit names no table')
      return tableAnswer(table)
    },
  },
  commitTransaction: {
    subject,
    async handle(call, service) {
      const commits = parsed(() => parseTransaction(call.body))
      for (const commit of commits) requireAllowed(commit, call, service)
      await service.catalog.commit(commits)
      return NO_CONTENT
    },
  },
}

function requireAllowed(commit: TableCommit, { who }: Call, service: CatalogService): void {
  const { identifier, requirements, updates } = commit
  requireAccess(who, identifier.namespace, 'write')
  requireUpdates(service, who, updates, identifier)
  const others = requirements.filter((requirement) => requirement.type !== 'assert-create')
  if (others.length < requirements.length && others.length > 0) {
    const types = others.map((requirement) => requirement.type).join(', ')
    throw badRequest(`a commit that creates a table can require nothing else of it: ${types}`)
  }
}
