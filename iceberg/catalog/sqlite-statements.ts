import type Database from 'better-sqlite3'

/** catalog_name, table_namespace, table_name. */
export type Key = [string, string, string]

/** `UNTYPED`: a database of schema V0, whose rows are all tables. */
export type PointerKind = 'TABLE' | 'VIEW' | 'UNTYPED'

interface Row {
  readonly namespace: string
  readonly name: string
}

const KEY = 'catalog_name = ? AND table_namespace = ? AND table_name = ?'
const ROW = 'SELECT table_namespace AS namespace, table_name AS name FROM iceberg_tables'

const OF_KIND: Readonly<Record<PointerKind, string>> = {
  TABLE: `(iceberg_type = 'TABLE' OR iceberg_type IS NULL)`,
  VIEW: `iceberg_type = 'VIEW'`,
  UNTYPED: 'TRUE',
}

/** The statements that read and move the pointers of tables, or of views. */
export interface PointerStatements {
  readonly location: Database.Statement<Key, { readonly location: string | null }>
  readonly taken: Database.Statement<Key>
  readonly insert: Database.Statement<[...Key, string]>
  readonly update: Database.Statement<[string, string, ...Key]>
  readonly rename: Database.Statement<[string, string, ...Key]>
  readonly remove: Database.Statement<Key>
  readonly all: Database.Statement<[string], Row>
  readonly inNamespace: Database.Statement<[string, string], Row>
}

export interface NamespaceStatements {
  readonly all: Database.Statement<[string], { readonly namespace: string }>
  readonly properties: Database.Statement<[string, string], { readonly key: string; readonly value: string }>
  readonly add: Database.Statement<[string, string, string, string]>
  readonly remove: Database.Statement<[string, string]>
}

export function preparePointers(database: Database.Database, kind: PointerKind): PointerStatements {
  const isKind = OF_KIND[kind]
  const typed = kind !== 'UNTYPED'
  return {
    location: database.prepare(
      `SELECT metadata_location AS location FROM iceberg_tables WHERE ${KEY} AND ${isKind}`,
    ),
    taken: database.prepare(`SELECT 1 FROM iceberg_tables WHERE ${KEY}`),
    insert: database.prepare(
      `INSERT INTO iceberg_tables
         (catalog_name, table_namespace, table_name, metadata_location${typed ? ', iceberg_type' : ''})
       VALUES (?, ?, ?, ?${typed ? `, '${kind}'` : ''})`,
    ),
    update: database.prepare(
      `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE ${KEY}`,
    ),
    rename: database.prepare(`UPDATE iceberg_tables SET table_namespace = ?, table_name = ? WHERE ${KEY}`),
    remove: database.prepare(`DELETE FROM iceberg_tables WHERE ${KEY} AND ${isKind}`),
    all: database.prepare(`${ROW} WHERE catalog_name = ? AND ${isKind} ORDER BY 1, 2`),
    inNamespace: database.prepare(
      `${ROW} WHERE catalog_name = ? AND table_namespace = ? AND ${isKind} ORDER BY 1, 2`,
    ),
  }
}

export function prepareNamespaces(database: Database.Database): NamespaceStatements {
  const table = 'iceberg_namespace_properties'
  return {
    all: database.prepare(`SELECT DISTINCT namespace FROM ${table} WHERE catalog_name = ? ORDER BY 1`),
    properties: database.prepare(
      `SELECT property_key AS key, property_value AS value FROM ${table} WHERE catalog_name = ? AND namespace = ?`,
    ),
    add: database.prepare(`INSERT INTO ${table} VALUES (?, ?, ?, ?)`),
    remove: database.prepare(`DELETE FROM ${table} WHERE catalog_name = ? AND namespace = ?`),
  }
}
