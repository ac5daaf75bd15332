import { describe, expect, it } from 'vitest'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { replaceTable } from '../../iceberg/write/replace-table.js'
import { file, TABLE, writeLake } from '../support/write-lake.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'extra', required: false, type: 'long' },
    { id: 2, name: 'partition', required: true, type: 'int' },
  ],
}

describe('a table that is replaced', () => {
  it('keeps its uuid, snapshots, tags and the ids of columns and partition fields of the same name', async () => {
    const { append, options, catalog, metadata, paths } = await writeLake({ kept: 'yes' })
    const first = await append(file(1, 'a'))
    const changes = [{ kind: 'create-tag', name: 'v_1' }] as const
    await changeRefs({ ...options, tables: [{ identifier: TABLE, changes }] })
    const before = await metadata()
    const { metadata: after } = await replaceTable(catalog, TABLE, {
      schema: SCHEMA,
      partitionSpec: {
        'spec-id': 0,
        fields: [
          { 'source-id': 2, 'field-id': 1000, name: 'p', transform: 'identity' },
          { 'source-id': 1, 'field-id': 1001, name: 'b', transform: 'bucket[4]' },
        ],
      },
      properties: { added: 'too', 'format-version': '2' },
    })
    expect(after['table-uuid']).toBe(before['table-uuid'])
    expect(after.refs).toEqual({ v_1: before.refs['v_1'] })
    expect(after.snapshots.map((snapshot) => snapshot['snapshot-id'])).toEqual([first])
    expect(after['current-snapshot-id']).toBeUndefined()
    expect(currentSchema(after).fields.map((field) => [field.name, field.id])).toEqual([
      ['extra', 3],
      ['partition', 1],
    ])
    expect(after['last-column-id']).toBe(3)
    expect(defaultSpec(after).fields.map((field) => [field['source-id'], field['field-id']])).toEqual([
      [1, 1000],
      [3, 1001],
    ])
    expect(after.properties).toEqual({ kept: 'yes', added: 'too' })
    await append(file(2, 'b', { specId: after['default-spec-id'], partition: [2, 3] }))
    expect(await paths()).toEqual(['b'])
  })

  it('is created where there is none, and replacing twice is replacing once', async () => {
    const { catalog } = await writeLake()
    const identifier = { namespace: 'm', name: 'new' }
    const created = await replaceTable(catalog, identifier, { schema: SCHEMA })
    const again = await replaceTable(catalog, identifier, { schema: SCHEMA })
    expect(again.metadata.schemas).toEqual(created.metadata.schemas)
    expect(again.metadata['partition-specs']).toEqual(created.metadata['partition-specs'])
  })

  it('makes row-level changes of the old one be computed again', async () => {
    const { append, commit, delta, catalog } = await writeLake()
    await append(file(1, 'a'))
    const ours = await delta({ removed: [file(1, 'a')] })
    await replaceTable(catalog, TABLE, { schema: SCHEMA })
    await expect(commit(ours)).rejects.toMatchObject({ kind: 'rebuild-needed' })
  })
})
