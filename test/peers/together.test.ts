import { setTimeout as sleep } from 'node:timers/promises'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { lakeConfig, withLakeAt } from '../support/lake-process.js'
import { appendByRow } from './partitioned-table.js'
import { PeerProcess, peers, why } from './peer-process.js'
import { canonical, firnRows } from './same-rows.js'

/**
 * Goal: PyIceberg and Firn share one catalog database. Method: both append to one table at the same moment, so that
 * commits of each lose against the other's; afterwards every row of both is there once, as both read it.
 */
const home = mkdtempSync(join(tmpdir(), 'firn-together-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
const TABLE = 'shared.events'
const COUNT = 25
const PAUSES_MS = [0, 40, 200, 400]

test.skipIf(peers.python === null)(
  `PyIceberg and Firn append to one table at the same time and nothing is lost${why('python')}`,
  async () => {
    await withLakeAt(home, async ({ deps }) => {
      await deps.catalog.createNamespace('shared')
      const schema = parseTableSchema({ who: 'string', n: 'int' })
      await deps.catalog.createTable({ identifier: parseIdentifier(TABLE), schema })
      const peer = new PeerProcess(lakeConfig(home))
      try {
        const theirs = peer.call('pyiceberg_appends', { table: TABLE, count: COUNT })
        // PyIceberg takes a while to load.
        while ((await firnRows(deps, TABLE)).length === 0) await sleep(10)
        const ours: bigint[] = []
        for (let n = 0; n < COUNT; n++) {
          ours.push(await appendByRow(deps, TABLE, [{ who: 'firn', n }]))
          // An append takes PyIceberg far longer: without a pause it would lose each of its commits.
          await sleep(PAUSES_MS[n % PAUSES_MS.length])
        }
        await theirs
        const expected = ['firn', 'pyiceberg'].flatMap((who) =>
          Array.from({ length: COUNT }, (_, n) => ({ who, n })),
        )
        const rows = await firnRows(deps, TABLE)
        expect(rows).toEqual(canonical(expected))
        expect(canonical(await peer.rows('pyiceberg', TABLE))).toEqual(rows)
        const { metadata } = await deps.catalog.loadTable(parseIdentifier(TABLE))
        expect(metadata.snapshots).toHaveLength(2 * COUNT)
        const own = metadata.snapshots.map((one) => ours.includes(one['snapshot-id']))
        const turns = own.filter((isOurs, at) => at > 0 && isOurs !== own[at - 1]).length
        // Else they didn't meet, and this showed nothing.
        expect(turns).toBeGreaterThan(1)
      } finally {
        await peer.close()
      }
    })
  },
)
