/** How the brokers are reached and who asks. Plain data, so that a thread can be handed it; it holds secrets. */
export interface KafkaConfig {
  /** `host:port` of some; they name the others. */
  readonly brokers: readonly string[]
  readonly clientId: string
  /** Present: TLS, and the broker's certificate is always checked. */
  readonly tls?: KafkaTls
  readonly sasl?: KafkaSasl
}

/** PEM texts. */
export interface KafkaTls {
  /** Absent: the authorities that Node knows. */
  readonly ca?: string
  readonly client?: { readonly cert: string; readonly key: string }
  /** The name that the certificate is for, where it is not the broker's host. */
  readonly serverName?: string
}

export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | { readonly mechanism: 'oauthbearer'; readonly token: string }
  /** Read again for each connection, since tokens expire. */
  | { readonly mechanism: 'oauthbearer'; readonly tokenPath: string }
