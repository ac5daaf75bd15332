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
export function preparePointers(database: Database.Database, kind: PointerKind) {
  const isKind = OF_KIND[kind]
  const typed = kind !== 'UNTYPED'
  return {
    location: database.prepare<Key, { readonly location: string | null }>(
      `SELECT metadata_location AS location FROM iceberg_tables WHERE ${KEY} AND ${isKind}`,
    ),
    taken: database.prepare<Key>(`SELECT 1 FROM iceberg_tables WHERE ${KEY}`),
    insert: database.prepare<[...Key, string]>(
      `INSERT INTO iceberg_tables
         (catalog_name, table_namespace, table_name, metadata_location${typed ? ', iceberg_type' : ''})
       VALUES (?, ?, ?, ?${typed ? `, '${kind}'` : ''})`,
    ),
    update: database.prepare<[string, string, ...Key]>(
      `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE ${KEY}`,
    ),
    rename: database.prepare<[string, string, ...Key]>(
      `UPDATE iceberg_tables SET table_namespace = ?, table_name = ? WHERE ${KEY}`,
    ),
    remove: database.prepare<Key>(`DELETE FROM iceberg_tables WHERE ${KEY} AND ${isKind}`),
    all: database.prepare<[string], Row>(`${ROW} WHERE catalog_name = ? AND ${isKind} ORDER BY 1, 2`),
    inNamespace: database.prepare<[string, string], Row>(
      `${ROW} WHERE catalog_name = ? AND table_namespace = ? AND ${isKind} ORDER BY 1, 2`,
    ),
  }
}

export function prepareNamespaces(database: Database.Database) {
  const table = 'iceberg_namespace_properties'
  return {
    all: database.prepare<[string], { readonly namespace: string }>(
      `SELECT DISTINCT namespace FROM ${table} WHERE catalog_name = ? ORDER BY 1`,
    ),
    properties: database.prepare<[string, string], { readonly key: string; readonly value: string }>(
      `SELECT property_key AS key, property_value AS value FROM ${table} WHERE catalog_name = ? AND namespace = ?`,
    ),
    add: database.prepare<[string, string, string, string]>(`INSERT INTO ${table} VALUES (?, ?, ?, ?)`),
    remove: database.prepare<[string, string]>(
      `DELETE FROM ${table} WHERE catalog_name = ? AND namespace = ?`,
    ),
  }
}
