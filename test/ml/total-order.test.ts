import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sqlType } from '../../engine/duckdb/sql-text.js'
import { orderOf } from '../../ml/pit/total-order.js'
import { parseTableSchema } from '../../schemas/table-schema.js'

/** Values of a type from the least to the greatest, as the point-in-time join's tie rule has it. */
const ASCENDING: Readonly<Record<string, readonly string[]>> = {
  double: ['NULL', "'-inf'", '-1', "'-0.0'", '0', '1', "'inf'", "'nan'"],
  float: ['NULL', '-1', "'-0.0'", '0', "'nan'"],
  boolean: ['NULL', 'false', 'true'],
  string: ['NULL', "''", "'a'", "'aa'", "'é'", "'\uffee'", "'😀'"],
  'list<int>': ['NULL', '[]', '[0]', '[0, 1]', '[0, NULL]', '[1]'],
  'list<double>': ['NULL', '[]', "['-0.0']", "['-0.0', '1']", '[0]', '[0, 1]', '[1]', "['nan']", '[NULL]'],
  'list<list<double>>': [
    'NULL',
    '[]',
    '[[]]',
    "[['-0.0', '2']]",
    "[['-0.0', '2'], ['1']]",
    '[[0, 1]]',
    '[[0, NULL]]',
    '[[1]]',
    '[NULL]',
  ],
  'struct<x: double, y: int>': [
    'NULL',
    ...["{x: '-0.0', y: 2}", '{x: 0, y: 1}', '{x: 0, y: NULL}', "{x: 'nan', y: 0}", '{x: NULL, y: 0}'],
  ],
  'map<string, double>': [
    ...['NULL', 'MAP {}', "MAP {'a': '-0.0'}", "MAP {'a': 0}", "MAP {'a': 0, 'b': 0}", "MAP {'a': NULL}"],
    "MAP {'b': 0}",
  ],
}

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

test.each(Object.entries(ASCENDING))('%s: the greatest first, also within', async (short, ascending) => {
  const type = parseTableSchema({ v: short }).fields[0]!.type
  const values = ascending.map((value, i) => `(${i}, ${value}::${sqlType(type)})`).toSorted()
  const sql = `SELECT i FROM (VALUES ${values.join(', ')}) t(i, v) ORDER BY ${orderOf([{ column: 'v', type }]).join(', ')}`
  const found = (await connection.runAndReadAll(sql)).getRows()
  expect(found.map(([i]) => ascending[Number(i)])).toEqual(ascending.toReversed())
})
