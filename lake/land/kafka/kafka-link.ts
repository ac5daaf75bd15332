import { FirnError } from '../../../schemas/error.js'
import type { KafkaBroker, KafkaCluster } from './kafka-cluster.js'
import { openCluster } from './kafka-cluster.js'
import type { KafkaConfig } from './kafka-config.js'
import { kafkaError } from './kafka-error.js'

/**
 * A connection to a cluster that is made when it is needed and thrown away after any failure: kafkajs keeps half an
 * answer across a reconnect and then reads the next one wrongly.
 */
export class KafkaLink {
  private cluster: Promise<KafkaCluster> | undefined

  constructor(readonly config: KafkaConfig) {}

  /** `what` is being done, for errors. Errors: see kafkaError. */
  async use<T>(what: string, topic: string, work: (cluster: KafkaCluster) => Promise<T>): Promise<T> {
    const used = (this.cluster ??= connect(this.config))
    try {
      const cluster = await used
      await cluster.addTargetTopic(topic)
      return await work(cluster)
    } catch (error) {
      if (this.cluster === used) this.cluster = undefined
      used.then((cluster) => cluster.disconnect()).catch(() => undefined)
      throw kafkaError(error, this.config, what)
    }
  }

  async close(): Promise<void> {
    const { cluster } = this
    this.cluster = undefined
    await cluster?.then((open) => open.disconnect()).catch(() => undefined)
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
  await cluster.connect()
  return cluster
}
