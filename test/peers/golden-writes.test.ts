import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { updateSchema } from '../../iceberg/evolve/evolve-table.js'
import { REF_KINDS, ROW_KINDS } from './golden-kinds.js'
import { writeOnSparks, writeOnPyIcebergs } from './golden-others.js'
import { openPlaces, PLACE_NAMES, type Places } from './golden-places.js'
import { fieldOf, GoldenTable, newName, rowsOf } from './golden-table.js'
import { byKind, fillUnevenly, UPKEEP_KINDS } from './golden-upkeep.js'
import { peers, why } from './peer-process.js'
import { noS3 } from './support-s3.js'

/**
 * Goal: PyIceberg and Spark read whatever Firn writes, in every place that a lake may be. Method: a table for each kind of
 * write, by identity, day and bucket, with nulls and empty texts in all of them; Firn's rows after each step are those that
 * the step ought to leave, and at every snapshot and ref all three read the same.
 */
const noPython = peers.python === null
const noSpark = noPython || peers.sparkJars === null
let places: Places

beforeAll(async () => {
  if (!noPython) places = await openPlaces()
})

afterAll(async () => {
  if (!noPython) await places.close()
})

describe.each(PLACE_NAMES)('%s', (place) => {
  const reason = place === 's3' ? noS3() : undefined
  const lacks = noPython || reason !== undefined
  const note = reason === undefined ? why('spark') : ` [${reason}]`
  for (const { kind, layout, run } of [...ROW_KINDS, ...REF_KINDS, ...UPKEEP_KINDS]) {
    test.skipIf(lacks)(`${kind}${note}`, async () => {
      const golden = await GoldenTable.create(places, place, newName(kind), layout)
      await run(golden)
      await golden.checkWithPeers()
    })
  }

  test.skipIf(lacks)(`Firn writes on in a table of PyIceberg's${note}`, () =>
    writeOnPyIcebergs(places, place),
  )

  test.skipIf(lacks || noSpark)(`Firn writes on in a table of Spark's${note}`, () =>
    writeOnSparks(places, place),
  )
})

describe('what Firn and one of the others read, and Iceberg 1.10 does not', () => {
  test.skipIf(noPython)(`fixed and time, of which Spark has no type${why('spark')}`, async () => {
    const field = (id: number, name: string, type: string) => ({ id, name, required: id === 1, type })
    const fields = [field(1, 'id', 'long'), field(2, 'three', 'fixed[3]'), field(3, 't', 'time')] as never
    const golden = await GoldenTable.create(places, 'firn', newName('types'), {
      schema: { type: 'struct', 'schema-id': 0, fields },
      partitionSpec: { 'spec-id': 0, fields: [fieldOf([2, 'three', 'identity'], 0)] },
    })
    const rows = [null, 0n, 86_399_999_999n].map((t, id) => ({
      ...{ id: BigInt(id), three: id === 0 ? null : Uint8Array.of(0, id, 255), t },
    }))
    await golden.table.append(rows)
    await golden.check(rows)
    await golden.checkWithPeers(['pyiceberg'])
    if (!noSpark) await expect(golden.readBy('spark')).rejects.toThrow('Spark does not support time fields')
  })

  test.skipIf(noSpark)(`older files whose partition column was dropped${why('spark')}`, async () => {
    const golden = await GoldenTable.create(places, 'firn', newName('dropped'), byKind())
    await golden.table.append(rowsOf(0, 10), { tags: [{ name: 'before' }] })
    const { catalog, identifier } = golden.context
    const { metadata } = await golden.load()
    await catalog.commit([
      {
        identifier,
        requirements: [],
        updates: [
          { action: 'add-spec', spec: { 'spec-id': metadata['default-spec-id'] + 1, fields: [] } },
          { action: 'set-default-spec', 'spec-id': -1 },
        ],
      },
    ])
    await updateSchema({ ...golden.context, changes: [{ kind: 'drop', column: 'kind' }] })
    await golden.check(rowsOf(0, 10), 'before')
    expect(await golden.readBy('pyiceberg', 'before')).toEqual(await golden.read('before'))
    await expect(golden.readBy('spark', 'before')).rejects.toThrow('cannot be cast')
    await golden.checkHeadWithPeers()
  })

  test.skipIf(noSpark)(
    `position deletes of tables with lists or maps, to rewrite them; nothing is changed${why('spark')}`,
    async () => {
      const golden = await GoldenTable.create(places, 'firn', newName('lists'), byKind())
      await fillUnevenly(golden)
      const before = (await golden.load()).metadataLocation
      const call = `CALL firn.system.rewrite_position_delete_files(table => '${golden.name}', options => map('rewrite-all', 'true'))`
      await expect(places.peer.sql(call)).rejects.toThrow('Invalid partition field parent')
      expect((await golden.load()).metadataLocation).toBe(before)
      await golden.checkHeadWithPeers()
    },
  )
})
