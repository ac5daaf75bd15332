import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listAlerts } from '../../lake/alerts/list-alerts.js'
import { lateSources } from '../../lake/alerts/late-sources.js'
import { raiseAlerts } from '../../lake/alerts/raise-alerts.js'
import { createWebhook, webhookOf } from '../../lake/alerts/webhook.js'
import type { Alert } from '../../schemas/alerts.js'
import { labPipeline, land } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'

const run = { workflowId: 'w', runId: 'r', startedAtMs: 0 }
const alert = (key: string): Alert => ({
  key,
  kind: 'batch-failed',
  pipeline: 'lab',
  message: `${key} failed`,
})

/** A real server that answers what the test says, and remembers what it was sent. */
interface Receiver {
  readonly url: string
  readonly bodies: { readonly text: string; readonly alerts: readonly Alert[] }[]
  answer: (response: ServerResponse) => void
}
let server: Server
let receiver: Receiver
let lake: TestLake
beforeEach(async () => {
  lake = testLake([{ ...labPipeline, sources: late('26h') }])
  const bodies: Receiver['bodies'] = []
  const answer = (response: ServerResponse): void => void response.writeHead(204).end()
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as Receiver['bodies'][number])
      receiver.answer(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/SECRET`
  receiver = { url, bodies, answer }
})
afterEach(async () => {
  lake.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function late(lateAfter: string) {
  const { runs } = labPipeline.sources
  return { runs: { ...runs!, lateAfter } }
}

const hasty = { timeoutMs: 100, pauseMs: 1 }
const raise = (keys: readonly string[], webhook = createWebhook(receiver.url, hasty)) =>
  raiseAlerts(lake.deps, { alerts: keys.map(alert), run }, { webhook })
const listed = async () => await listAlerts(lake.deps, { limit: 100 })

describe('an alert', () => {
  it('is a row, a line and a POST; told once, whatever is tried again', async () => {
    const lines: string[] = []
    const alerts = [alert('a'), alert('b'), alert('a')]
    const first = await raiseAlerts(
      lake.deps,
      { alerts, run },
      { webhook: createWebhook(receiver.url), log: (message) => lines.push(message) },
    )
    expect(first).toEqual({ raised: ['a', 'b'], webhook: 'sent' })
    expect(await raise(['a', 'b'])).toEqual({ raised: [], webhook: 'none' })
    expect(await raise(['b', 'c'])).toEqual({ raised: ['c'], webhook: 'sent' })
    expect(lines).toEqual(['a failed', 'b failed'])
    expect(receiver.bodies.map(({ alerts: sent }) => sent.map(({ key }) => key))).toEqual([['a', 'b'], ['c']])
    expect(receiver.bodies[0]?.text).toBe('[batch-failed] a failed\n[batch-failed] b failed')
    expect((await listed()).map(({ key, webhook }) => [key, webhook])).toEqual([
      ['c', 'sent'],
      ...[
        ['a', 'sent'],
        ['b', 'sent'],
      ],
    ])
    expect(await listAlerts(lake.deps, { kind: 'late-source', limit: 9 })).toEqual([])
  })

  it('is there once, also where two tell it at the same moment', async () => {
    await raise(['first'])
    await Promise.all([raise(['x', 'y']), raise(['y', 'z']), raise(['x', 'z'])])
    expect((await listed()).map(({ key }) => key).sort()).toEqual(['first', 'x', 'y', 'z'])
  })

  it.each<[string, (response: ServerResponse) => void, string, number]>([
    ['errors', (r) => void r.writeHead(500).end('SECRET'), 'failed: HTTP 500, 3 attempts', 3],
    ['hangs', () => undefined, 'failed: no answer within 0.1 s, 3 attempts', 3],
    ['refuses', (r) => void r.writeHead(403).end(), 'failed: HTTP 403', 1],
    ['leads elsewhere', (r) => void r.writeHead(302, { location: '/else' }).end(), 'failed: HTTP 302', 1],
    ['hangs up', (r) => void r.destroy(), 'failed: no connection (UND_ERR_SOCKET), 3 attempts', 3],
  ])('is recorded where the webhook %s', async (_, answer, outcome, attempts) => {
    receiver.answer = answer
    expect(await raise(['a'])).toEqual({ raised: ['a'], webhook: outcome })
    expect(receiver.bodies).toHaveLength(attempts)
    const [row] = await listed()
    expect(row?.webhook).toBe(outcome)
    expect(JSON.stringify(row)).not.toContain('SECRET')
  })

  it('is sent after a 503 that goes away', async () => {
    let asked = 0
    receiver.answer = (response) => void response.writeHead((asked += 1) === 1 ? 503 : 200).end()
    expect(await raise(['a'])).toEqual({ raised: ['a'], webhook: 'sent' })
  })

  it('is posted at least once and recorded once, wherever the process is killed', async () => {
    await raise(['first'])
    const keys: string[] = []
    let died = 0
    for (const when of ['before', 'after'] as const) {
      for (let call = 1; call <= 12; call += 1) {
        const key = `${when}-${call}`
        keys.push(key)
        lake.crash.set(call, when)
        await raise([key]).catch(() => (died += 1))
        lake.crash.revive()
        await raise([key])
        expect(receiver.bodies.some((body) => body.alerts.some((sent) => sent.key === key))).toBe(true)
      }
    }
    expect(died).toBeGreaterThan(12)
    expect((await listed()).map(({ key }) => key).sort()).toEqual([...keys, 'first'].sort())
  })

  it('an address that is none is refused, and not shown', () => {
    expect(webhookOf({})).toBeUndefined()
    expect(() => webhookOf({ FIRN_ALERT_WEBHOOK: 'hooks/SECRET' })).toThrow(
      /FIRN_ALERT_WEBHOOK is no address/,
    )
    expect(() => webhookOf({ FIRN_ALERT_WEBHOOK: 'hooks/SECRET' })).not.toThrow(/SECRET/)
  })
})

describe('a late source', () => {
  const at = (hours: number) => ({ catalog: lake.catalog, now: () => lake.deps.now() + hours * 3_600_000 })

  it('is one that never came, or not for longer than it says', async () => {
    const pipeline = lake.deps.pipelines.get('lab')!
    expect(await lateSources(at(0), pipeline)).toEqual([{ source: 'runs', lateAfter: '26h' }])
    await land(lake, '20260701T020000Z', [{ id: 'a', grp: 'g', values: [1] }])
    expect(await lateSources(at(25), pipeline)).toEqual([])
    expect(await lateSources(at(27), pipeline)).toMatchObject([
      { source: 'runs', lastLandedAt: expect.stringMatching(/^2026-07-01T00:00/) as string },
    ])
    expect(await lateSources(at(27), { ...pipeline, sources: labPipeline.sources })).toEqual([])
  })
})
