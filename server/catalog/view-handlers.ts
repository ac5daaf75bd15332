import type { LoadedView, ViewCatalog } from '../../iceberg/catalog/catalog.js'
import { parseRename } from '../../iceberg/rest/table-documents.js'
import { parseCreateView, parseViewCommit } from '../../iceberg/rest/view-documents.js'
import { requireAccess } from './access.js'
import { requireLocation, requireProperties, requireUpdates } from './allowed-locations.js'
import {
  answer,
  type Answer,
  type CatalogService,
  type Handlers,
  identifierOf,
  NO_CONTENT,
  parsed,
} from './call.js'
import { identifierPage } from './identifier-page.js'
import { Problem } from './problem.js'
import { renameOf } from './table-handlers.js'

const subject = () => ({ kind: 'view' }) as const

export const VIEW_HANDLERS: Handlers = {
  listViews: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'read')
      return identifierPage(await viewsOf(service).listViews(call.namespace), call)
    },
  },
  createView: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'write')
      const { name, ...view } = parsed(() => parseCreateView(call.body))
      const identifier = { namespace: call.namespace, name }
      requireLocation(service, call.who, view.location, identifier)
      requireProperties(service, call.who, view.properties, identifier)
      return viewAnswer(await viewsOf(service).createView({ ...view, identifier }))
    },
  },
  loadView: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'read')
      return viewAnswer(await viewsOf(service).loadView(identifierOf(call)))
    },
  },
  viewExists: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'read')
      await viewsOf(service).loadView(identifierOf(call))
      return NO_CONTENT
    },
  },
  replaceView: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'write')
      const identifier = identifierOf(call)
      const commit = parsed(() => parseViewCommit(call.body))
      requireUpdates(service, call.who, commit.updates, identifier)
      return viewAnswer(await viewsOf(service).commitView({ ...commit, identifier }))
    },
  },
  dropView: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'write')
      await viewsOf(service).dropView(identifierOf(call))
      return NO_CONTENT
    },
  },
  renameView: {
    subject: ({ body }) => ({ kind: 'view', rename: renameOf(body) }),
    async handle({ who, body }, service) {
      const { from, to } = parsed(() => parseRename(body))
      requireAccess(who, from.namespace, 'write')
      requireAccess(who, to.namespace, 'write')
      await viewsOf(service).renameView(from, to)
      return NO_CONTENT
    },
  },
}

function viewsOf({ catalog }: CatalogService): ViewCatalog {
  if (catalog.views !== undefined) return catalog.views
  throw new Problem(
    406,
    'UnsupportedOperationException',
    `catalog ${catalog.name} keeps no views: its database has the older layout (V0)`,
  )
}

function viewAnswer({ metadataLocation, metadata }: LoadedView): Answer {
  return answer({ 'metadata-location': metadataLocation, metadata, config: {} })
}
