import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { openPlaces, type Places } from './golden-places.js'
import { GoldenTable } from './golden-table.js'
import { compact } from './golden-upkeep.js'
import { peers, why, type PeerProcess } from './peer-process.js'
import { canonical } from './same-rows.js'

/**
 * Goal: PyIceberg, Spark and Firn share one catalog, a database or Firn's server. Method: all append to one table at the
 * same moment, so that commits of each lose against the others', and Firn compacts it meanwhile; afterwards every row of
 * each is there once, as all of them read it.
 */
const PLACES = ['firn', 'rest'] as const
const COUNT = 20
const PAUSES_MS = [0, 40, 200, 600]
const WRITERS = ['firn', 'pyiceberg', ...(peers.sparkJars === null ? [] : ['spark'])]
let places: Places
let pyiceberg: PeerProcess

beforeAll(async () => {
  if (peers.python === null) return
  places = await openPlaces(PLACES)
  pyiceberg = places.newPeer()
})

afterAll(async () => {
  if (peers.python !== null) await places.close()
})

test.skipIf(peers.python === null).each(PLACES)(
  `PyIceberg, Spark and Firn append to one table at the same time and nothing is lost: %s${why('spark')}`,
  async (place) => {
    const schema = parseTableSchema({ who: 'string', n: 'int' })
    const properties = { 'commit.retry.num-retries': '20', 'commit.retry.min-wait-ms': '20' }
    const partitionSpec = { 'spec-id': 0, fields: [] }
    const golden = await GoldenTable.create(places, place, 'shared', { schema, properties, partitionSpec })
    // Both take a while to load.
    if (WRITERS.includes('spark')) await golden.readBy('spark')
    await pyiceberg.rows('pyiceberg', golden.name, { catalog: place })
    const args = { table: golden.name, count: COUNT, catalog: place }
    const theirs = [pyiceberg.call('pyiceberg_appends', args)]
    if (WRITERS.includes('spark')) theirs.push(places.peer.call('spark_appends', args))
    const ours: bigint[] = []
    const appends = async () => {
      for (let n = 0; n < COUNT; n++) {
        ours.push((await golden.table.append([{ who: 'firn', n }])).snapshotId!)
        if (n % 6 === 5) await compact(golden, {})
        // An append takes the others far longer: without a pause they would lose each of their commits.
        await sleep(PAUSES_MS[n % PAUSES_MS.length])
      }
    }
    await Promise.all([...theirs, appends()])
    const numbers = Array.from({ length: COUNT }, (_, n) => n)
    await golden.check(WRITERS.flatMap((who) => numbers.map((n) => ({ who, n }))))
    await golden.checkHeadWithPeers()
    expect(canonical(golden.rows)).toHaveLength(WRITERS.length * COUNT)
    const { metadata } = await golden.load()
    const appended = metadata.snapshots.filter((one) => one.summary?.operation === 'append')
    expect(appended).toHaveLength(WRITERS.length * COUNT)
    const own = appended.map((one) => ours.includes(one['snapshot-id']))
    const turns = own.filter((isOurs, at) => at > 0 && isOurs !== own[at - 1]).length
    // Else they didn't meet, and this showed nothing.
    expect(turns).toBeGreaterThan(1)
  },
)
