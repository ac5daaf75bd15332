import { setTimeout as delay } from 'node:timers/promises'
import { isIcebergError } from '../../iceberg/error.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { ledgerIdentifier } from '../../schemas/lake-tables.js'
import { TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import type { Random } from '../random.js'
import { PIPELINE, type Rig, SOURCE } from './rig.js'
import { NO_FAULTS } from './s3-proxy.js'
import { TOPIC } from './traffic.js'

export interface Fault {
  readonly name: string
  /** Of all faults so many parts are of this kind. */
  readonly weight: number
  run(rig: Rig, random: Random): Promise<void>
}

/** Longer than an activity's heartbeat time-out: its next attempt is done elsewhere before it wakes. */
const FROZEN_MS = 13_000

export const FAULTS: readonly Fault[] = [
  {
    name: 'a worker is killed',
    weight: 6,
    async run(rig, random) {
      await delay(random.below(1500))
      await rig.killWorker(random.pick(rig.workers))
    },
  },
  {
    name: 'all workers are killed',
    weight: 2,
    async run(rig, random) {
      await delay(random.below(1500))
      await Promise.all([...rig.workers].map((worker) => rig.killWorker(worker)))
    },
  },
  {
    name: 'a worker joins, another one leaves',
    weight: 2,
    async run(rig, random) {
      rig.addWorker()
      await delay(random.below(2000))
      const leaver = random.pick(rig.workers)
      rig.workers = rig.workers.filter((worker) => worker !== leaver)
      await leaver.drain()
    },
  },
  {
    name: 'a foreign consumer joins and leaves our group',
    weight: 1,
    async run(rig, random) {
      const consumer = rig.kafka.consumer({ groupId: `firn-${PIPELINE}-${SOURCE}` })
      await consumer.connect()
      await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
      await consumer.run({ eachBatch: () => Promise.resolve() })
      await delay(500 + random.below(2000))
      await consumer.disconnect()
    },
  },
  {
    name: 'a zombie: a worker freezes, and goes on after its successor',
    weight: 2,
    async run(rig, random) {
      await delay(random.below(1000))
      const worker = random.pick(rig.workers)
      worker.freeze()
      await delay(FROZEN_MS)
      worker.thaw()
    },
  },
  {
    name: 'the broker is killed',
    weight: 2,
    async run(rig, random) {
      await delay(random.below(1000))
      await rig.killService('kafka')
      await delay(random.below(2000))
      await rig.services.start('kafka')
    },
  },
  { name: 'the broker is restarted', weight: 1, run: ({ services }) => services.restart('kafka') },
  {
    name: 'the store refuses requests and loses answers',
    weight: 4,
    async run({ proxy }, random) {
      proxy.set({ refusedOneIn: 4 + random.below(8), lostOneIn: 6 + random.below(10) })
      await delay(2000 + random.below(4000))
      proxy.set(NO_FAULTS)
    },
  },
  {
    name: 'the store is gone for a while',
    weight: 1,
    async run({ proxy }, random) {
      proxy.set({ refusedOneIn: 1, lostOneIn: 0 })
      await delay(1000 + random.below(3000))
      proxy.set(NO_FAULTS)
    },
  },
  {
    name: 'the Temporal server is killed',
    weight: 1,
    async run(rig, random) {
      await delay(random.below(1000))
      await rig.killService('temporal')
      await rig.services.start('temporal')
    },
  },
  {
    name: 'the Temporal server is restarted',
    weight: 1,
    run: ({ services }) => services.restart('temporal'),
  },
  {
    name: 'a bounded landing runs beside the stream',
    weight: 2,
    run: (rig) =>
      rig.withClient(async (client) => {
        const landing = client.workflow.execute('landSource', {
          taskQueue: TASK_QUEUES.control,
          workflowId: workflowIds.land(PIPELINE, SOURCE),
          args: [{ pipeline: PIPELINE, source: SOURCE }],
        })
        // It may lose the race against the stream more often than it plans anew.
        await landing.catch(() => undefined)
      }),
  },
  {
    name: 'the ledger is compacted',
    weight: 2,
    async run({ lake }) {
      await maintainTable(lake.deps, `raw.${SOURCE}`, { dryRun: false })
    },
  },
  { name: 'the ledger is rolled back', weight: 2, run: rollBack },
]

async function rollBack({ lake }: Rig, random: Random): Promise<void> {
  const identifier = ledgerIdentifier(SOURCE)
  for (;;) {
    const { metadata } = await lake.deps.catalog.loadTable(identifier)
    const head = headOf(metadata)?.['snapshot-id']
    if (head === undefined) return
    const target = [...ancestorsOf(metadata, head)][1 + random.below(4)]
    if (target === undefined) return
    const change = { kind: 'rollback', to: { snapshotId: target['snapshot-id'] } } as const
    try {
      await changeRefs({ ...lake.deps, tables: [{ identifier, changes: [change] }] })
      return
    } catch (error) {
      if (!isIcebergError(error, 'commit-conflict')) throw error
    }
  }
}

export function pickFault(random: Random): Fault {
  const bag = FAULTS.flatMap((fault) => Array.from({ length: fault.weight }, () => fault))
  return random.pick(bag)
}
