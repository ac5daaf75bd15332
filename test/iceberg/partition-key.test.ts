import { expect, test } from 'vitest'
import { partitionKey } from '../../iceberg/spec/partition-key.js'
import type { Value } from '../../iceberg/spec/type.js'

test('partitions have one key only where they are equal, whatever characters their values hold', () => {
  const partitions: readonly (readonly (Value | null)[])[] = [
    ['a\0string:b', 'c'],
    ['a', 'b\0string:c'],
    ['a","string:b', 'c'],
    [null, 'null'],
    ['null', null],
    [1, 'a'],
    [1n, 'a'],
    [NaN, 'a'],
    [Uint8Array.of(97), 'a'],
    ['x61', 'a'],
  ]
  const keys = partitions.map((partition) => partitionKey({ specId: 0, partition }))
  expect(new Set(keys).size).toBe(partitions.length)
  expect(partitionKey({ specId: 0, partition: [Uint8Array.of(97), 'a'] })).toBe(keys[8])
  expect(partitionKey({ specId: 1, partition: partitions[0]! })).not.toBe(keys[0])
})

test('-0 lies where 0 does, one NaN where another does', () => {
  const key = (value: Value) => partitionKey({ specId: 0, partition: [value] })
  expect(key(-0)).toBe(key(0))
  expect(key(NaN)).toBe(key(-NaN))
})
