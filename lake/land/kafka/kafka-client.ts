import { readFile } from 'node:fs/promises'
import { Kafka, logLevel, type SASLOptions } from 'kafkajs'
import './connect-once.js'
import type { KafkaConfig, KafkaSasl, KafkaTls } from './kafka-config.js'

/** Brokers as configured, not connected yet. Says nothing on its own; what fails is thrown. */
export function kafkaClient(config: KafkaConfig): Kafka {
  return new Kafka({
    brokers: [...config.brokers],
    clientId: config.clientId,
    // A remote TLS handshake takes longer than kafkajs' second.
    connectionTimeout: 5000,
    logLevel: logLevel.NOTHING,
    // Every broker that is named is tried.
    retry: { retries: Math.max(2, config.brokers.length), initialRetryTime: 100, maxRetryTime: 1000 },
    ...(config.tls === undefined ? {} : { ssl: tlsOptions(config.tls) }),
    ...(config.sasl === undefined ? {} : { sasl: saslOptions(config.sasl) }),
  })
}

function tlsOptions({ ca, client, serverName }: KafkaTls) {
  return {
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca: [ca] }),
    ...(client === undefined ? {} : client),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}

function saslOptions(sasl: KafkaSasl): SASLOptions {
  if (sasl.mechanism !== 'oauthbearer') return { ...sasl }
  const token = async () => ('token' in sasl ? sasl.token : (await readFile(sasl.tokenPath, 'utf8')).trim())
  return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: await token() }) }
}
