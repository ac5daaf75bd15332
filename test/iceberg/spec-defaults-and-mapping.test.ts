import { describe, expect, test } from 'vitest'
import {
  createNameMapping,
  mappedFieldOf,
  parseNameMapping,
  serializeNameMapping,
} from '../../iceberg/spec/name-mapping.js'
import { valueFromJson, valueToJson } from '../../iceberg/spec/single-value-json.js'
import type { PrimitiveType, Schema, Value } from '../../iceberg/spec/type.js'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('values as JSON (Iceberg spec, Appendix D)', () => {
  const cases: readonly (readonly [PrimitiveType, unknown, Value])[] = [
    ['boolean', true, true],
    ['int', 34, 34],
    ['int', -2147483648, -2147483648],
    ['long', 34, 34n],
    ['long', -(2n ** 63n), -(2n ** 63n)],
    ['float', 1.5, 1.5],
    ['double', -0.25, -0.25],
    ['decimal(9, 2)', '14.20', 1420n],
    ['decimal(38, 10)', '-0.0000000001', -1n],
    ['decimal(9, 0)', '14', 14n],
    ['date', '2017-11-16', 17486],
    ['date', '1969-12-31', -1],
    ['time', '22:31:08.123456', 81_068_123_456n],
    ['timestamp', '2017-11-16T22:31:08.123456', 1_510_871_468_123_456n],
    ['timestamp', '1969-12-31T23:59:59.999999', -1n],
    ['timestamptz', '2017-11-16T22:31:08.123456+00:00', 1_510_871_468_123_456n],
    ['timestamp_ns', '2017-11-16T22:31:08.123456789', 1_510_871_468_123_456_789n],
    ['timestamptz_ns', '1969-12-31T23:59:59.999999999+00:00', -1n],
    ['string', 'iceberg', 'iceberg'],
    ['uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7', 'f79c3e09-677c-4bbd-a479-3f349cb785e7'],
    ['fixed[4]', '00010203', bytes(0, 1, 2, 3)],
    ['binary', '', bytes()],
  ]
  test.each(cases)('%s %s', (type, json, value) => {
    expect(valueFromJson(type, json)).toEqual(value)
    expect(valueToJson(type, value)).toEqual(json === 34 && type === 'long' ? 34n : json)
  })

  test.each<readonly [PrimitiveType, unknown, Value]>([
    ['decimal(9, 2)', '1.4e1', 1400n],
    ['timestamp', '2017-11-16T22:31:08', 1_510_871_468_000_000n],
    ['timestamptz', '2017-11-16T22:31:08Z', 1_510_871_468_000_000n],
    ['time', '22:31', 81_060_000_000n],
    ['double', 'NaN', NaN],
    ['uuid', 'F79C3E09-677C-4BBD-A479-3F349CB785E7', 'f79c3e09-677c-4bbd-a479-3f349cb785e7'],
  ])('%s may be spelled %s', (type, json, value) => expect(valueFromJson(type, json)).toEqual(value))

  test.each<readonly [PrimitiveType, unknown]>([
    ['int', 2 ** 31],
    ['int', 1.5],
    ['int', '1'],
    ['long', 2n ** 63n],
    ['boolean', 1],
    ['string', 1],
    ['decimal(9, 2)', '1.234'],
    ['date', '2017-02-30'],
    ['date', 17],
    ['time', '25:00:00'],
    ['timestamp', '2017-11-16T22:31:08+00:00'],
    ['timestamptz', '2017-11-16T22:31:08'],
    ['timestamptz', '2017-11-16T22:31:08+02:00'],
    ['timestamp', '2017-11-16T22:31:08.1234567'],
    ['fixed[4]', '0001'],
    ['binary', 'xyz'],
    ['uuid', 'f79c3e09'],
    ['int', null],
    ['string', {}],
  ])('%s is not %s', (type, json) => {
    expect(() => valueFromJson(type, json)).toThrow(expect.objectContaining({ kind: 'data-invalid' }))
  })
})

describe('name mappings', () => {
  /** Iceberg spec, "Name Mapping Serialization". */
  const SPEC = `[{"field-id": 1, "names": ["id", "record_id"]}, {"field-id": 2, "names": ["data"]},
    {"field-id": 3, "names": ["location"], "fields": [
      {"field-id": 4, "names": ["latitude", "lat"]}, {"field-id": 5, "names": ["longitude", "long"]}]}]`

  test('give the ids of all names of a field', () => {
    const mapping = parseNameMapping(SPEC)
    expect(mappedFieldOf(mapping, 'record_id')?.fieldId).toBe(1)
    expect(mappedFieldOf(mappedFieldOf(mapping, 'location')?.fields ?? [], 'lat')?.fieldId).toBe(4)
    expect(mappedFieldOf(mapping, 'ID')).toBeUndefined()
    expect(parseNameMapping(serializeNameMapping(mapping))).toEqual(mapping)
    expect(parseNameMapping('[{"names":["a"]},{"field-id":1}]')).toEqual([
      { names: ['a'], fields: [] },
      { fieldId: 1, names: [], fields: [] },
    ])
  })

  test('of a schema have its own names, nested ones too', () => {
    const schema: Schema = {
      type: 'struct',
      'schema-id': 0,
      fields: [
        {
          id: 1,
          name: 'm.x',
          required: false,
          type: {
            type: 'map',
            'key-id': 2,
            key: 'string',
            'value-id': 3,
            'value-required': false,
            value: {
              type: 'list',
              'element-id': 4,
              'element-required': false,
              element: { type: 'struct', fields: [{ id: 5, name: 'ö', required: true, type: 'int' }] },
            },
          },
        },
      ],
    }
    expect(JSON.parse(serializeNameMapping(createNameMapping(schema)))).toEqual([
      {
        'field-id': 1,
        names: ['m.x'],
        fields: [
          { 'field-id': 2, names: ['key'] },
          {
            'field-id': 3,
            names: ['value'],
            fields: [{ 'field-id': 4, names: ['element'], fields: [{ 'field-id': 5, names: ['ö'] }] }],
          },
        ],
      },
    ])
  })

  test.each([
    ['{}'],
    ['['],
    ['[1]'],
    ['[{"field-id":"1","names":["a"]}]'],
    ['[{"names":["a"]},{"names":["a"]}]'],
  ])('that are %s are data-invalid', (text) => {
    expect(() => parseNameMapping(text)).toThrow(expect.objectContaining({ kind: 'data-invalid' }))
  })
})
