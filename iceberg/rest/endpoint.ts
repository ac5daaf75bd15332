const NAMESPACES = '/v1/{prefix}/namespaces'
const NAMESPACE = `${NAMESPACES}/{namespace}`
const TABLE = `${NAMESPACE}/tables/{table}`
const VIEW = `${NAMESPACE}/views/{view}`

/** The REST catalog's endpoints as a server names them in its configuration. */
export const ENDPOINTS = {
  listNamespaces: `GET ${NAMESPACES}`,
  createNamespace: `POST ${NAMESPACES}`,
  loadNamespace: `GET ${NAMESPACE}`,
  namespaceExists: `HEAD ${NAMESPACE}`,
  dropNamespace: `DELETE ${NAMESPACE}`,
  updateNamespace: `POST ${NAMESPACE}/properties`,
  listTables: `GET ${NAMESPACE}/tables`,
  createTable: `POST ${NAMESPACE}/tables`,
  loadTable: `GET ${TABLE}`,
  tableExists: `HEAD ${TABLE}`,
  updateTable: `POST ${TABLE}`,
  dropTable: `DELETE ${TABLE}`,
  registerTable: `POST ${NAMESPACE}/register`,
  reportMetrics: `POST ${TABLE}/metrics`,
  renameTable: 'POST /v1/{prefix}/tables/rename',
  commitTransaction: 'POST /v1/{prefix}/transactions/commit',
  listViews: `GET ${NAMESPACE}/views`,
  createView: `POST ${NAMESPACE}/views`,
  loadView: `GET ${VIEW}`,
  viewExists: `HEAD ${VIEW}`,
  replaceView: `POST ${VIEW}`,
  dropView: `DELETE ${VIEW}`,
  renameView: 'POST /v1/{prefix}/views/rename',
  /** Firn's own: many tables as they stand at one moment. */
  loadTables: 'POST /v1/{prefix}/firn/load-tables',
} as const

export type EndpointName = keyof typeof ENDPOINTS

/** What the specification says to assume of a server that names no endpoints. */
export const DEFAULT_ENDPOINTS: readonly EndpointName[] = [
  'listNamespaces',
  'createNamespace',
  'loadNamespace',
  'dropNamespace',
  'updateNamespace',
  'listTables',
  'createTable',
  'loadTable',
  'updateTable',
  'dropTable',
  'registerTable',
  'reportMetrics',
  'renameTable',
  'commitTransaction',
]
