import { FirnError } from '../../../schemas/error.js'
import type { KafkaBroker, KafkaCluster } from './kafka-cluster.js'
import { openCluster } from './kafka-cluster.js'
import type { KafkaConfig } from './kafka-config.js'
import { kafkaError } from './kafka-error.js'

/**
 * A connection to a cluster that is made when it is needed and thrown away after any failure: kafkajs keeps half an
 * answer across a reconnect and then reads the next one wrongly. Whoever uses it at the same time may finish.
 */
export class KafkaLink {
  private current: Connection | undefined

  constructor(readonly config: KafkaConfig) {}

  /** `what` is being done, for errors. Errors: see kafkaError. */
  async use<T>(what: string, topic: string, work: (cluster: KafkaCluster) => Promise<T>): Promise<T> {
    const used = (this.current ??= new Connection(this.config))
    used.users += 1
    try {
      const cluster = await used.cluster
      await cluster.addTargetTopic(topic)
      return await work(cluster)
    } catch (error) {
      if (this.current === used) this.current = undefined
      used.isOver = true
      throw kafkaError(error, this.config, what)
    } finally {
      used.users -= 1
      // Whatever was still asked when it was ended may have connected anew.
      if (used.isOver && used.users === 0) void used.end()
    }
  }

  async close(): Promise<void> {
    const { current } = this
    if (current === undefined) return
    this.current = undefined
    current.isOver = true
    await current.end()
  }
}

class Connection {
  users = 0
  isOver = false
  readonly cluster: Promise<KafkaCluster>

  constructor(config: KafkaConfig) {
    this.cluster = connect(config)
  }

  /** Never fails. */
  async end(): Promise<void> {
    try {
      await (await this.cluster).disconnect()
    } catch {
      // It was never made.
    }
  }
}

/** The partition's leader, as far as the cluster knows. */
export async function leaderOf(
  cluster: KafkaCluster,
  topic: string,
  partition: number,
): Promise<KafkaBroker> {
  const known = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)
  if (known === undefined || known.leader < 0) {
    throw new FirnError('io', `topic ${topic}, partition ${partition} has no leader at the moment`, {
      context: { topic, partition },
    })
  }
  return cluster.findBroker({ nodeId: known.leader })
}

async function connect(config: KafkaConfig): Promise<KafkaCluster> {
  const cluster = openCluster(config)
  try {
    await cluster.connect()
  } catch (error) {
    await cluster.disconnect().catch(() => undefined)
    throw error
  }
  return cluster
}
