import { expect, test } from 'vitest'
import { quoteName, quotePath, quoteText, sqlType } from '../../engine/duckdb/sql-text.js'
import type { PrimitiveType } from '../../iceberg/spec/type.js'

test('names, texts and paths stay one token of SQL, whatever is in them', () => {
  expect(quoteName('a"; DROP TABLE t; --')).toBe('"a""; DROP TABLE t; --"')
  expect(quoteText("x' OR 'a' = 'a")).toBe("'x'' OR ''a'' = ''a'")
  expect(quotePath("/data/it's [1]*.parquet")).toBe("'/data/it''s [[]1][*].parquet'")
})

test('a type that is none of Iceberg is refused, not written into SQL', () => {
  expect(sqlType('decimal(10, 2)')).toBe('DECIMAL(10, 2)')
  const forged = 'decimal(10, 2)) FROM read_text(1) --' as PrimitiveType
  expect(() => sqlType(forged)).toThrow(expect.objectContaining({ kind: 'unsupported' }) as Error)
})
