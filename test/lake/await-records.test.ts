import { afterEach, beforeEach, expect, it } from 'vitest'
import { awaitRecords } from '../../lake/land/await-records.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { MemoryTopics } from '../support/memory-topics.js'
import { testLake, type TestLake } from './support/lake.js'

const TOPIC = 'lab.events'
const pipeline: Pipeline = {
  name: 'lab',
  namespace: 'lab_features',
  directory: '/nowhere',
  sources: { events: { kind: 'json', topic: TOPIC, schema: { id: 'string' }, identity: ['id'] } },
  tables: {},
  sqlTexts: {},
}

let lake: TestLake
let topics: MemoryTopics
let deps: LakeDeps

beforeEach(() => {
  topics = new MemoryTopics()
  lake = testLake([pipeline])
  deps = { ...lake.deps, topics }
})
afterEach(() => lake.close())

function create(records: number): void {
  topics.create(TOPIC, 2)
  for (let i = 0; i < records; i += 1) topics.send(TOPIC, 0, { id: `${records}-${i}` })
}

async function land(): Promise<void> {
  const plan = await planLanding(deps, { pipeline: 'lab', batch: '20260701T020000Z' })
  await commitLanding(deps, plan, [await fetchLanding(deps, plan)])
}

const look = () =>
  awaitRecords(deps, { pipeline: 'lab', maxRecords: 1000, maxBytes: 1e9, maxAgeMs: 0, waitMs: 0 })

it('counts what was not landed', async () => {
  create(5)
  expect(await look()).toEqual({ due: true, pending: 5 })
  await land()
  expect(await look()).toEqual({ due: false, pending: 0 })
  topics.send(TOPIC, 1, { id: 'more' })
  expect(await look()).toEqual({ due: true, pending: 1 })
})

it('takes a topic that was made anew as due at once, so that it is planned and told', async () => {
  create(5)
  await land()
  create(3)
  expect(await look()).toEqual({ due: true, pending: 3 })
  await expect(land()).rejects.toMatchObject({ kind: 'source-changed' })
})
