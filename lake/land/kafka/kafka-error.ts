import { FirnError } from '../../../schemas/error.js'
import type { KafkaConfig } from './kafka-config.js'

/** What of kafkajs' errors is looked at; they are never passed on whole. */
interface KafkaFailure {
  readonly name?: string
  readonly type?: string
  readonly code?: unknown
  readonly message?: string
  readonly cause?: unknown
}

const TLS_REFUSED =
  /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO|HOSTNAME|certificate|SSL routines|PEM routines/

/**
 * What a failure of a broker means: `config` where waiting doesn't help (login, TLS, rights), `not-found` (no such
 * topic), otherwise `io`. Never holds a password or a token.
 */
export function kafkaError(error: unknown, config: KafkaConfig, what: string): FirnError {
  if (error instanceof FirnError) return error
  const failure = rootOf(error)
  const brokers = config.brokers.join(',')
  const context = { brokers, ...(failure.type === undefined ? {} : { type: failure.type }) }
  const fail = (kind: FirnError['kind'], message: string): FirnError =>
    new FirnError(kind, `${what}: ${message}`, { context })
  const type = failure.type ?? ''
  const message = failure.message ?? String(error)
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'UNKNOWN_TOPIC_ID')
    return fail('not-found', `${brokers} has no such topic. Create it, or correct the source's topic.`)
  if (type === 'INVALID_TOPIC_EXCEPTION')
    return fail('not-found', `${brokers} takes no topic of that name. Correct the source's topic.`)
  if (/AUTHORIZATION_FAILED$/.test(type))
    return fail(
      'config',
      `${brokers} lets ${userOf(config)} not do that (${type}). Grant READ and DESCRIBE on the topic.`,
    )
  if (failure.name === 'KafkaJSSASLAuthenticationError' || /SASL/.test(type))
    return fail('config', loginRefused(config, type, message))
  if (TLS_REFUSED.test(`${String(failure.code)} ${message}`))
    return fail('config', tlsRefused(config, message))
  if (failure.name === 'KafkaJSServerDoesNotSupportApiKey' || type === 'UNSUPPORTED_VERSION')
    return fail('config', `${brokers} is too old: Kafka 2.3 or later, or a Redpanda of today, is needed.`)
  return fail('io', `${message}${hintOf(config, message)} (${brokers})`)
}

/** kafkajs wraps what went wrong in "number of retries exceeded" and the like. */
function rootOf(error: unknown): KafkaFailure {
  let failure = error as KafkaFailure
  for (let depth = 0; depth < 5; depth++) {
    const { cause } = failure
    if (typeof cause !== 'object' || cause === null || cause === failure) break
    failure = cause
  }
  return failure
}

function loginRefused(config: KafkaConfig, type: string, message: string): string {
  const { sasl } = config
  if (sasl === undefined) return `the broker wants a login (${message}). Set FIRN_KAFKA_SASL_MECHANISM.`
  if (type === 'UNSUPPORTED_SASL_MECHANISM' || /mechanism is not supported/.test(message))
    return `the broker has no login by ${sasl.mechanism}. Correct FIRN_KAFKA_SASL_MECHANISM.`
  return sasl.mechanism === 'oauthbearer'
    ? 'the broker refused the token. Renew FIRN_KAFKA_TOKEN or its file.'
    : `the broker refused the login of ${userOf(config)} by ${sasl.mechanism}. Correct FIRN_KAFKA_USERNAME and FIRN_KAFKA_PASSWORD.`
}

function tlsRefused(config: KafkaConfig, message: string): string {
  if (config.tls === undefined) return `the broker speaks TLS (${message}). Set FIRN_KAFKA_TLS=true.`
  return (
    `no TLS connection that can be trusted (${message}). Name the authority that signed the broker's certificate by ` +
    'FIRN_KAFKA_TLS_CA_PATH, and brokers by the names that their certificates are for; a listener without TLS wants FIRN_KAFKA_TLS unset.'
  )
}

/** A broker says nothing where it is spoken to in the wrong way: it hangs up. */
function hintOf(config: KafkaConfig, message: string): string {
  if (!/closed|timeout|timed out|ECONNRESET/i.test(message)) return ''
  if (config.tls === undefined && config.sasl === undefined) return '; does it want TLS or a login?'
  if (config.tls === undefined) return '; does it want TLS?'
  return config.sasl === undefined ? '; does it want a login?' : ''
}

function userOf({ sasl }: KafkaConfig): string {
  return sasl !== undefined && 'username' in sasl ? `user ${JSON.stringify(sasl.username)}` : 'this client'
}
