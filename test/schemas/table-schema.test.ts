import { describe, expect, test } from 'vitest'
import { FirnError } from '../../schemas/error.js'
import { parseDocumentSchema, parsePartition, parseTableSchema } from '../../schemas/table-schema.js'

describe('parseTableSchema', () => {
  test('gives ids from 1, a level before what is nested in it', () => {
    const schema = parseTableSchema({
      id: 'string!',
      coordinates: 'list<list<double!>>',
      terms: 'list<struct<label: string!, coefficients: struct<real: double, imaginary: double>>>',
      notes: 'map<string, decimal(10,2)>',
    })
    expect(schema.fields.map((field) => [field.name, field.id, field.required])).toEqual([
      ['id', 1, true],
      ['coordinates', 2, false],
      ['terms', 3, false],
      ['notes', 4, false],
    ])
    expect(schema.fields[1]?.type).toEqual({
      type: 'list',
      'element-id': 5,
      'element-required': false,
      element: { type: 'list', 'element-id': 6, 'element-required': true, element: 'double' },
    })
    expect(schema.fields[3]?.type).toMatchObject({ key: 'string', value: 'decimal(10, 2)' })
  })

  test('reads every primitive', () => {
    const types =
      'int,long,float,double,boolean,string,date,timestamp,timestamptz,time,uuid,binary,fixed[7]'.split(',')
    const schema = parseTableSchema(
      Object.fromEntries(types.map((type, index) => [`c${index}`, ` ${type} `])),
    )
    expect(schema.fields.map((field) => field.type)).toEqual(types)
  })

  test.each([
    [{ a: 'integer' }, /'integer' is not a type/],
    [{ a: '' }, /type is missing/],
    [{ a: 'list<int' }, /expected '>'/],
    [{ a: 'int int' }, /unexpected 'int'/],
    [{ a: 'decimal(39, 2)' }, /'39' is not an integer from 1 to 38/],
    [{ a: 'decimal(4, 5)' }, /'5' is not an integer from 0 to 4/],
    [{ 'a?': 'int' }, /optional without a mark/],
    [{ 'a b': 'int' }, /not a field name/],
    [{ a: 'int', A: 'int' }, /twice/],
    [{ a: 'struct<x: int, x: int>' }, /twice/],
    [{}, /at least one field/],
  ])('refuses %j', (short, message) => {
    expect(() => parseTableSchema(short as Record<string, string>)).toThrow(FirnError)
    expect(() => parseTableSchema(short as Record<string, string>)).toThrow(message)
  })
})

test('a field of a document may be a string or a whole number', () => {
  const { fields } = parseDocumentSchema({ 'at?': 'string|long', place: 'struct<at: string | long>' })
  expect(fields[0]).toMatchObject({ name: 'at', required: false, type: 'string', doc: 'string|long' })
  expect(fields[1]?.type).toMatchObject({ fields: [{ type: 'string', doc: 'string|long' }] })
  for (const wrong of [{ a: 'string|double' }, { a: 'long|string' }, { a: 'list<string|long>' }])
    expect(() => parseDocumentSchema(wrong)).toThrow(FirnError)
  expect(() => parseTableSchema({ a: 'string|long' })).toThrow(FirnError)
})

test('document fields are required but for those whose name ends with ?', () => {
  const { fields } = parseDocumentSchema({
    id: 'int',
    'note?': 'string',
    body: 'struct<a: int, b?: double, c: list<double?>>',
  })
  expect(fields.map((field) => [field.name, field.required])).toEqual([
    ['id', true],
    ['note', false],
    ['body', true],
  ])
  expect(fields[2]?.type).toMatchObject({
    fields: [
      { name: 'a', required: true },
      { name: 'b', required: false },
      { name: 'c', required: true, type: { 'element-required': false } },
    ],
  })
})

describe('parsePartition', () => {
  const schema = parseTableSchema({ id: 'string!', at: 'timestamptz', day: 'date', x: 'double' })

  test('fields have ids from 1000 and the default names', () => {
    const spec = parsePartition(['day', 'bucket(16, id)', 'truncate(4,id)', 'hour( at )'], schema)
    expect(spec).toEqual({
      'spec-id': 0,
      fields: [
        { 'source-id': 3, 'field-id': 1000, name: 'day', transform: 'identity' },
        { 'source-id': 1, 'field-id': 1001, name: 'id_bucket', transform: 'bucket[16]' },
        { 'source-id': 1, 'field-id': 1002, name: 'id_trunc', transform: 'truncate[4]' },
        { 'source-id': 2, 'field-id': 1003, name: 'at_hour', transform: 'hour' },
      ],
    })
    expect(parsePartition([], schema).fields).toEqual([])
  })

  test.each([
    ['nothing', /'nothing' is not in the schema \(it has id, at, day, x\)/],
    ['bucket(16 id)', /is not a partition/],
    ['bucket(0, id)', /is not a partition/],
    ['day(id)', /'id' is string/],
    ['bucket(4, x)', /'x' is double/],
  ])('refuses %s', (expression, message) => {
    expect(() => parsePartition([expression], schema)).toThrow(message)
  })

  test('refuses the same field twice', () => {
    expect(() => parsePartition(['day', 'day'], schema)).toThrow(/twice/)
  })
})
