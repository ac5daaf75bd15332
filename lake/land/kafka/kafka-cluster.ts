import { FirnError } from '../../../schemas/error.js'
import { kafkaClient } from './kafka-client.js'
import type { KafkaConfig } from './kafka-config.js'

/**
 * What is used of kafkajs' cluster: connections, login, metadata and leaders. It is private in kafkajs, whose consumer
 * reads through groups only; the version is pinned, and `openCluster` says so where it changed.
 */
export interface KafkaCluster {
  readonly brokerPool: { readonly metadata: { readonly clusterId: string | null } | null }
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  findTopicPartitionMetadata(
    topic: string,
  ): readonly { readonly partitionId: number; readonly leader: number }[]
  findBroker(options: { readonly nodeId: number }): Promise<KafkaBroker>
  findGroupCoordinator(options: { readonly groupId: string }): Promise<KafkaBroker>
}

export interface KafkaBroker {
  /** By API key; null before it is connected. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null
  readonly connectionPool: {
    send<T>(exchange: {
      readonly request: KafkaRequest
      readonly response: {
        readonly decode: (bytes: Buffer) => T
        readonly parse: (answer: T) => T
      }
    }): Promise<T>
  }
  listOffsets(options: {
    readonly isolationLevel: number
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[]
    }[]
  }): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[]
    }[]
  }>
  offsetCommit(options: {
    readonly groupId: string
    readonly groupGenerationId: number
    readonly memberId: string
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[]
    }[]
  }): Promise<unknown>
}

export interface KafkaRequest {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  /** In the shape of kafkajs' encoder. */
  readonly encode: () => { readonly buf: Buffer; readonly buffer: Buffer }
}

type CreateCluster = (options: {
  readonly allowAutoTopicCreation: boolean
  readonly metadataMaxAge: number
  readonly isolationLevel: number
}) => KafkaCluster

export const READ_COMMITTED = 1

const CREATE_CLUSTER = 'private:Kafka:createCluster'
const METADATA_MAX_AGE_MS = 300_000

/** Not connected yet. */
export function openCluster(config: KafkaConfig): KafkaCluster {
  const kafka = kafkaClient(config)
  const symbol = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === CREATE_CLUSTER)
  const create =
    symbol === undefined ? undefined : (kafka as unknown as Record<symbol, CreateCluster>)[symbol]
  if (typeof create !== 'function') {
    throw new FirnError(
      'config',
      `this kafkajs has no "${CREATE_CLUSTER}", which Firn reads topics by: install kafkajs 2.2.4.`,
    )
  }
  return create({
    allowAutoTopicCreation: false,
    metadataMaxAge: METADATA_MAX_AGE_MS,
    isolationLevel: READ_COMMITTED,
  })
}

/** Newest version of an API that the broker speaks; 0: it is not told. */
export function newestVersion(broker: KafkaBroker, apiKey: number): number {
  const versions = broker.versions?.[apiKey]
  return versions === undefined ? 0 : versions.maxVersion
}
