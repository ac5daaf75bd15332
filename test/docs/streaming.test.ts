import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tableRows } from '../support/page-tables.js'
import { click, WindowModel } from '../lake/support/window-model.js'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'streaming.md'), 'utf8')
const DAY = Date.UTC(2026, 5, 20)

let model: WindowModel
beforeAll(() => (model = new WindowModel()))
afterAll(() => model.lake.close())

it('the example of the page happens as it says', async () => {
  const steps = tableRows(page.slice(page.indexOf('## An example')))
  expect(steps.length).toBe(4)
  for (const [i, [landed = '', watermark = '', rows = '', late = '']] of steps.entries()) {
    const events = landed.split(', ').map((text, at) => {
      const [user = '', time = ''] = text.split(' ')
      return click(`${i}.${at}`, user, instantOf(time))
    })
    await model.land([events])
    const result = await model.refresh(instantOf(watermark))
    expect(await shown()).toEqual(rows.split(', '))
    expect(result.tables.find(({ table }) => table === 'shop_features.per_user')?.late).toBe(Number(late))
  }
})

async function shown(): Promise<readonly string[]> {
  const rows = await model.lake.rows('shop_features.per_user', 'window_end, "user"')
  return rows.map((row) => {
    const end = new Date(Number(row['window_end']) / 1000).toISOString().slice(11, 16)
    return `${row['user'] as string} ${end} ${row['clicks'] as bigint}`
  })
}

function instantOf(time: string): number {
  const [hours, minutes] = time.split(':').map(Number)
  return DAY + ((hours ?? 0) * 60 + (minutes ?? 0)) * 60_000
}
