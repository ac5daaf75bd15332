import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { FULL } from '../support/full.js'
import { Crash } from './support/crashing.js'
import { click, MINUTE, T0, WINDOW_TABLES, WindowModel, type WindowName } from './support/window-model.js'

const minutes = fc.integer({ min: 0, max: 45 })
const event = fc.record({
  id: fc.integer({ min: 0, max: 25 }),
  user: fc.constantFrom('a', 'b'),
  at: minutes,
  price: fc.integer({ min: 0, max: 9 }),
})
/** Events that come later happened later, more or less. */
const land = fc.record({
  kind: fc.constant('land' as const),
  parts: fc.array(fc.array(event, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
})
const table = fc.constantFrom<WindowName>(...WINDOW_TABLES)
const watermark = fc.option(minutes, { nil: undefined })
const meanwhile = fc.constantFrom('refresh', 'compact', 'roll-back', 'land-and-refresh')
const command = fc.oneof(
  { weight: 5, arbitrary: land },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('refresh' as const), watermark }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      watermark,
      call: fc.integer({ min: 1, max: 60 }),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('zombie' as const), watermark, meanwhile, table }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('compact' as const),
      table: fc.oneof(table, fc.constant('ledger' as const)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('roll-back' as const),
      table,
      steps: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('roll-back-ledger' as const),
      steps: fc.integer({ min: 1, max: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const) }) },
)
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

it('windows equal a loop over the ledger at every snapshot, whatever dies, comes late, is rolled back or compacted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 4, maxLength: 14 }), async (commands) => {
      const model = new WindowModel()
      try {
        await model.refresh()
        for (const [i, next] of commands.entries()) {
          await carryOut(model, next, i)
          expect(await model.strangeSnapshots()).toEqual([])
        }
        // The ledger whole again, one refresh brings everything up to it.
        await model.land([[click('last', 'a', T0 + 60 * MINUTE)]])
        await model.refresh()
        expect(await model.strangeSnapshots()).toEqual([])
        for (const name of WINDOW_TABLES)
          expect(await model.read(name)).toEqual(model.expected(name, model.rows.length))
      } finally {
        model.lake.close()
      }
    }),
    { numRuns: Number(process.env['WINDOW_RUNS'] ?? (FULL ? 20 : 10)), verbose: true },
  )
}, 600_000)

async function carryOut(model: WindowModel, command: Command, i: number): Promise<void> {
  const { crash } = model.lake
  switch (command.kind) {
    case 'land': {
      await model.land(eventsOf(command.parts, i))
      return
    }
    case 'refresh':
      await model.refresh(timeOf(command.watermark))
      return
    case 'crash': {
      const batch = model.nextBatch()
      crash.set(command.call, command.when)
      await model.refresh(timeOf(command.watermark), { batch }).catch((error: unknown) => {
        if (!(error instanceof Crash) && !String((error as Error).cause ?? error).includes('crash'))
          throw error
      })
      crash.revive()
      if (i % 2 === 0) await model.refresh(timeOf(command.watermark), { batch })
      return
    }
    case 'zombie': {
      let done = false
      const others = async (): Promise<void> => {
        if (done) return
        done = true
        if (command.meanwhile === 'compact') await model.compact(command.table)
        if (command.meanwhile === 'roll-back') await model.rollBack(command.table, 1)
        if (command.meanwhile === 'land-and-refresh')
          await model.land(eventsOf([[{ id: 99, user: 'b', at: 20, price: 3 }]], i))
        if (command.meanwhile.endsWith('refresh')) await model.refresh(timeOf(45))
      }
      const deps = { ...model.deps, catalog: beforeCommit(model.deps.catalog, others) }
      await model.refresh(timeOf(command.watermark), { deps })
      return
    }
    case 'compact': {
      await compactIfThere(model, command.table)
      return
    }
    case 'roll-back': {
      await model.rollBack(command.table, command.steps).catch(ignoreAbsent)
      return
    }
    case 'roll-back-ledger': {
      await model.rollBackLedger(command.steps)
      return
    }
    case 'expire':
      // Watermarks of a history that was rolled back are forgotten with it: here it was taken in again before.
      if (model.ledgerEnd < model.rows.length) return
      await model.refresh()
      await model.expire()
  }
}

function eventsOf(
  parts: readonly (readonly {
    readonly id: number
    readonly user: string
    readonly at: number
    readonly price: number
  }[])[],
  i: number,
) {
  return parts.map((events) =>
    events.map(({ id, user, at, price }) => click(`e${id}`, user, T0 + (at + i * 2) * MINUTE, price)),
  )
}

function timeOf(minute: number | undefined): number | undefined {
  return minute === undefined ? undefined : T0 + minute * MINUTE
}

async function compactIfThere(model: WindowModel, name: WindowName | 'ledger'): Promise<void> {
  await model.compact(name).catch(ignoreAbsent)
}

/** Commands may come before the first landing. */
function ignoreAbsent(error: unknown): void {
  if (
    !/not-found|does not exist|no table/i.test(
      `${String((error as { kind?: unknown }).kind)} ${String(error)}`,
    )
  )
    throw error
}

/** The first commit that changes data waits for what others do. */
function beforeCommit(catalog: Catalog, others: () => Promise<void>): Catalog {
  return new Proxy(catalog, {
    get(target, key) {
      const value = Reflect.get(target, key, target) as unknown
      if (typeof value !== 'function') return value
      const bound = value.bind(target) as (...args: unknown[]) => unknown
      if (key !== 'commit') return bound
      return async (...args: unknown[]) => {
        await others()
        return await bound(...args)
      }
    },
  })
}
