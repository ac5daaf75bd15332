import { formatIdentifier, type CreateTable } from '../../iceberg/catalog/catalog.js'
import { folderOf } from '../../iceberg/catalog/name.js'
import { filesToPurge, purgeFiles } from '../../iceberg/catalog/purge-table.js'
import { ifFound } from '../../iceberg/error.js'
import { joinLocation } from '../../iceberg/io/location.js'
import {
  parseCreateTable,
  parseRegisterTable,
  parseRename,
  tableResultDocument,
} from '../../iceberg/rest/table-documents.js'
import { parseWireIdentifier, toWireIdentifier } from '../../iceberg/rest/wire-names.js'
import { asObject, asObjects } from '../../iceberg/spec/json-value.js'
import { parseTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import { requireAccess } from './access.js'
import { requireLocation, requireMetadata, requireProperties } from './allowed-locations.js'
import {
  answer,
  type Answer,
  type Call,
  type CatalogService,
  type Handlers,
  identifierOf,
  NO_CONTENT,
  parsed,
} from './call.js'
import { identifierPage } from './identifier-page.js'
import { Problem } from './problem.js'
import { etagOf, matchesEtag, parseSnapshotMode, tableAnswer } from './table-answer.js'

const subject = () => ({ kind: 'table' }) as const

export const TABLE_HANDLERS: Handlers = {
  listTables: {
    subject,
    async handle(call, { catalog }) {
      requireAccess(call.who, call.namespace, 'read')
      return identifierPage(await catalog.listTables(call.namespace), call)
    },
  },
  createTable: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'write')
      const { table, stageCreate } = parsed(() => parseCreateTable(call.body, call.namespace))
      requireLocation(service, call.who, table.location, table.identifier)
      requireProperties(service, call.who, table.properties ?? {}, table.identifier)
      return stageCreate ? stageTable(table, service) : tableAnswer(await service.catalog.createTable(table))
    },
  },
  registerTable: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'write')
      const { name, metadataLocation, overwrite } = parsed(() => parseRegisterTable(call.body))
      const identifier = { namespace: call.namespace, name }
      requireLocation(service, call.who, metadataLocation, identifier)
      if (overwrite) {
        throw new Problem(
          406,
          'UnsupportedOperationException',
          'a registered table cannot overwrite another: drop that one first',
        )
      }
      const { catalog } = service
      const metadata = parseTableMetadata(await catalog.io.read(metadataLocation))
      requireMetadata(service, call.who, metadata, identifier)
      return tableAnswer(await catalog.registerTable(identifier, metadataLocation))
    },
  },
  loadTable: {
    subject,
    async handle(call, { catalog }) {
      requireAccess(call.who, call.namespace, 'read')
      const mode = parseSnapshotMode(call.query['snapshots'])
      const table = await catalog.loadTable(identifierOf(call))
      const etag = etagOf(table.metadataLocation, mode)
      return matchesEtag(call.ifNoneMatch, etag) ? { status: 304, etag } : tableAnswer(table, mode)
    },
  },
  loadTables: { subject, handle: loadTables },
  tableExists: {
    subject,
    async handle(call, { catalog }) {
      requireAccess(call.who, call.namespace, 'read')
      await catalog.loadTable(identifierOf(call))
      return NO_CONTENT
    },
  },
  dropTable: {
    subject,
    async handle(call, service) {
      requireAccess(call.who, call.namespace, 'write')
      if (call.query['purgeRequested']?.toLowerCase() === 'true') return dropAndPurge(call, service)
      await service.catalog.dropTable(identifierOf(call))
      return NO_CONTENT
    },
  },
  renameTable: {
    subject: ({ body }) => ({ kind: 'table', rename: renameOf(body) }),
    async handle({ who, body }, { catalog }) {
      const { from, to } = parsed(() => parseRename(body))
      requireAccess(who, from.namespace, 'write')
      requireAccess(who, to.namespace, 'write')
      await catalog.renameTable(from, to)
      return NO_CONTENT
    },
  },
  reportMetrics: {
    subject,
    /** Reports are taken and dropped: whoever wants metrics reads the table's own summaries. */
    handle(call) {
      requireAccess(call.who, call.namespace, 'read')
      return Promise.resolve(NO_CONTENT)
    },
  },
}

/** Deletes exactly the files that were looked at before the table was dropped, and none that the client may not write. */
async function dropAndPurge(call: Call, service: CatalogService): Promise<Answer> {
  const { catalog } = service
  const identifier = identifierOf(call)
  const { metadata, metadataLocation } = await catalog.loadTable(identifier)
  const locations = await filesToPurge(catalog.io, metadata, metadataLocation)
  for (const location of locations) requireLocation(service, call.who, location, identifier)
  await catalog.dropTable(identifier)
  await purgeFiles(catalog.io, locations)
  return NO_CONTENT
}

/** From and to, for an error's text. */
export function renameOf(body: unknown): { readonly from: string; readonly to: string } {
  const { from, to } = parsed(() => parseRename(body))
  return { from: formatIdentifier(from), to: formatIdentifier(to) }
}

/** The metadata that a commit with `assert-create` will write; nothing is made yet. */
async function stageTable(table: CreateTable, service: CatalogService): Promise<Answer> {
  const { catalog, warehouse, newUuid, now } = service
  const { namespace, name } = table.identifier
  await catalog.loadNamespace(namespace)
  const known = await ifFound(catalog.loadTable(table.identifier))
  if (known !== undefined) {
    throw new Problem(
      409,
      'AlreadyExistsException',
      `Table already exists: ${formatIdentifier(table.identifier)}`,
    )
  }
  const uuid = newUuid()
  // Nothing may lie there yet when the commit comes, so the name alone would not do.
  const location =
    table.location ?? joinLocation(warehouse, folderOf(namespace), `${folderOf(name)}-${uuid.slice(0, 8)}`)
  return answer(tableResultDocument({ metadata: newTableMetadata({ ...table, location, uuid, now: now() }) }))
}

/** Many tables as they stand at one moment: `{identifiers}` → `{tables}`, in their order. */
async function loadTables({ who, body }: Call, { catalog }: CatalogService): Promise<Answer> {
  const identifiers = parsed(() =>
    asObjects(asObject(body, 'the request')['identifiers'], 'identifiers').map(parseWireIdentifier),
  )
  for (const { namespace } of identifiers) requireAccess(who, namespace, 'read')
  const tables = await catalog.loadTables(identifiers)
  return answer({
    tables: tables.map((table) => ({
      identifier: toWireIdentifier(table.identifier),
      ...tableResultDocument(table),
    })),
  })
}
