import { afterAll, beforeAll, describe, test } from 'vitest'
import { REF_KINDS, ROW_KINDS } from './golden-kinds.js'
import { UPKEEP_KINDS } from './golden-upkeep.js'
import { openPlaces, PLACE_NAMES, type Places } from './golden-places.js'
import { GoldenTable, newName } from './golden-table.js'
import { peers, why } from './peer-process.js'
import { noS3 } from './support-s3.js'

/**
 * Goal: PyIceberg and Spark read whatever Firn writes, in every place that a lake may be. Method: a table for each kind of
 * write, by identity, day and bucket, with nulls and empty texts in all of them; Firn's rows after each step are those that
 * the step ought to leave, and at every snapshot and ref all three read the same.
 */
let places: Places

beforeAll(async () => {
  if (peers.python !== null) places = await openPlaces()
})

afterAll(async () => {
  if (peers.python !== null) await places.close()
})

describe.each(PLACE_NAMES)('%s', (place) => {
  const lacks = peers.python === null || (place === 's3' && noS3() !== undefined)
  for (const { kind, layout, run } of [...ROW_KINDS, ...REF_KINDS, ...UPKEEP_KINDS]) {
    test.skipIf(lacks)(`${kind}${why('spark')}${place === 's3' ? (noS3() ?? '') : ''}`, async () => {
      const golden = await GoldenTable.create(places, place, newName(kind), layout)
      await run(golden)
      await golden.checkWithPeers()
    })
  }
})
