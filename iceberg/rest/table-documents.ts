import type {
  CreateTable,
  LoadedTable,
  NamespaceChange,
  TableCommit,
  TableIdentifier,
} from '../catalog/catalog.js'
import { asObject, asObjects, asString, asStringMap, asStrings, type Json } from '../spec/json-value.js'
import { tableMetadataDocument, tableMetadataOf } from '../spec/metadata-json.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import {
  parsePartitionSpec,
  parseSortOrder,
  parseTableRequirement,
  parseTableUpdate,
} from '../update/update-json.js'
import { parseSchema } from '../spec/schema-json.js'
import { namespaceLevels, parseNamespace, parseWireIdentifier, toWireIdentifier } from './wire-names.js'

/** Properties for the objects under a location; of several that fit, the longest prefix holds. */
export interface StorageCredential {
  readonly prefix: string
  readonly config: Readonly<Record<string, string>>
}

/** `LoadTableResult`: what a server says of a table. */
export interface TableResult {
  /** Absent for a table that is staged, not created. */
  readonly metadataLocation?: string
  readonly metadata: TableMetadata
  readonly config: Readonly<Record<string, string>>
  readonly credentials: readonly StorageCredential[]
}

export function parseTableResult(document: unknown): TableResult {
  const result = asObject(document, 'the answer')
  const location = result['metadata-location']
  return {
    ...(location === undefined || location === null
      ? {}
      : { metadataLocation: asString(location, 'metadata-location') }),
    metadata: tableMetadataOf(result['metadata']),
    config: asStringMap(result['config'], 'config'),
    credentials: asObjects(result['storage-credentials'] ?? [], 'storage-credentials').map((one) => ({
      prefix: asString(one['prefix'], 'the prefix of a storage credential'),
      config: asStringMap(one['config'], 'the config of a storage credential'),
    })),
  }
}

/** The same as a body; `config` where the client is to know more. */
export function tableResultDocument(
  table: Pick<LoadedTable, 'metadata'> & { readonly metadataLocation?: string },
  config: Readonly<Record<string, string>> = {},
): Json {
  return {
    'metadata-location': table.metadataLocation,
    metadata: tableMetadataDocument(table.metadata),
    config,
  }
}

/** `CommitTableRequest`. The identifier stands in the body only where a transaction holds several. */
export function tableCommitDocument({ identifier, requirements, updates }: TableCommit): Json {
  return { identifier: toWireIdentifier(identifier), requirements, updates }
}

/** `identifier` is the path's where the body says none. */
export function parseTableCommit(document: unknown, identifier?: TableIdentifier): TableCommit {
  const commit = asObject(document, 'a commit')
  return {
    identifier: identifier ?? parseWireIdentifier(commit['identifier']),
    requirements: asObjects(commit['requirements'] ?? [], 'requirements').map(parseTableRequirement),
    updates: asObjects(commit['updates'] ?? [], 'updates').map(parseTableUpdate),
  }
}

/** `CommitTransactionRequest` */
export function transactionDocument(commits: readonly TableCommit[]): Json {
  return { 'table-changes': commits.map(tableCommitDocument) }
}

export function parseTransaction(document: unknown): readonly TableCommit[] {
  const changes = asObject(document, 'a transaction')['table-changes']
  return asObjects(changes, 'table-changes').map((change) => parseTableCommit(change))
}

export function createTableDocument(table: CreateTable): Json {
  return {
    name: table.identifier.name,
    location: table.location,
    schema: table.schema,
    'partition-spec': table.partitionSpec,
    'write-order': table.sortOrder,
    'stage-create': false,
    properties: table.properties ?? {},
  }
}

export interface CreateTableRequest {
  readonly table: CreateTable
  /** Answers with the metadata that a later commit with `assert-create` will make the table's first. */
  readonly stageCreate: boolean
}

export function parseCreateTable(document: unknown, namespace: string): CreateTableRequest {
  const request = asObject(document, 'the request')
  const given = <T>(key: string, read: (value: unknown) => T): T | undefined => {
    const value = request[key]
    return value === undefined || value === null ? undefined : read(value)
  }
  const location = given('location', (value) => asString(value, 'location'))
  const partitionSpec = given('partition-spec', parsePartitionSpec)
  const sortOrder = given('write-order', parseSortOrder)
  return {
    table: {
      identifier: { namespace, name: asString(request['name'], 'the name of the table') },
      schema: parseSchema(request['schema']),
      properties: asStringMap(request['properties'], 'properties'),
      ...(location !== undefined && { location }),
      ...(partitionSpec !== undefined && { partitionSpec }),
      ...(sortOrder !== undefined && { sortOrder }),
    },
    stageCreate: request['stage-create'] === true,
  }
}

/** Body of Firn's own request for several tables as they stand at one moment. */
export function loadTablesDocument(identifiers: readonly TableIdentifier[]): Json {
  return { identifiers: identifiers.map(toWireIdentifier) }
}

export function parseLoadTables(document: unknown): readonly TableIdentifier[] {
  return asObjects(asObject(document, 'the request')['identifiers'], 'identifiers').map(parseWireIdentifier)
}

/** Its answer: a `LoadTableResult` for each, in the order asked for. */
export function tableResultsDocument(tables: readonly LoadedTable[]): Json {
  return { tables: tables.map((table) => tableResultDocument(table)) }
}

export function parseTableResults(document: unknown): readonly TableResult[] {
  return asObjects(asObject(document, 'the answer')['tables'], 'tables').map(parseTableResult)
}

export interface RegisterTableRequest {
  readonly name: string
  readonly metadataLocation: string
  readonly overwrite: boolean
}

export function registerTableDocument({ name, metadataLocation, overwrite }: RegisterTableRequest): Json {
  return { name, 'metadata-location': metadataLocation, ...(overwrite ? { overwrite } : {}) }
}

export function parseRegisterTable(document: unknown): RegisterTableRequest {
  const request = asObject(document, 'the request')
  return {
    name: asString(request['name'], 'the name of the table'),
    metadataLocation: asString(request['metadata-location'], 'metadata-location'),
    overwrite: request['overwrite'] === true,
  }
}

export function renameDocument(from: TableIdentifier, to: TableIdentifier): Json {
  return { source: toWireIdentifier(from), destination: toWireIdentifier(to) }
}

export function parseRename(document: unknown): {
  readonly from: TableIdentifier
  readonly to: TableIdentifier
} {
  const request = asObject(document, 'the request')
  return { from: parseWireIdentifier(request['source']), to: parseWireIdentifier(request['destination']) }
}

/** A page of identifiers, of tables or views. `token` asks for the next page. */
export interface IdentifierPage {
  readonly identifiers: readonly TableIdentifier[]
  readonly token?: string
}

export function identifierPageDocument({ identifiers, token }: IdentifierPage): Json {
  return { 'next-page-token': token ?? null, identifiers: identifiers.map(toWireIdentifier) }
}

export function createNamespaceDocument(
  namespace: string,
  properties: Readonly<Record<string, string>>,
): Json {
  return { namespace: namespaceLevels(namespace), properties }
}

export interface NamespaceResult {
  readonly namespace: string
  readonly properties: Readonly<Record<string, string>>
}

/** A request to make a namespace, and what a server says of one. */
export function parseNamespaceResult(document: unknown): NamespaceResult {
  const request = asObject(document, 'the namespace')
  return {
    namespace: parseNamespace(request['namespace']),
    properties: asStringMap(request['properties'], 'properties'),
  }
}

export function namespaceUpdateDocument({ set = {}, remove = [] }: NamespaceChange): Json {
  return { removals: remove, updates: set }
}

export function parseNamespaceUpdate(document: unknown): NamespaceChange {
  const request = asObject(document, 'the request')
  return {
    set: asStringMap(request['updates'], 'updates'),
    remove: asStrings(request['removals'] ?? [], 'removals'),
  }
}
