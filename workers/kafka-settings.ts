import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { KafkaConfig, KafkaSasl, KafkaTls } from '../lake/land/kafka/kafka-config.js'
import { FirnError } from '../schemas/error.js'

const text = z.string().min(1).optional()

/** Of the environment. */
export const KAFKA = {
  FIRN_KAFKA_BROKERS: text,
  FIRN_KAFKA_CLIENT_ID: text,
  FIRN_KAFKA_TLS: z
    .enum(['true', 'false', '1', '0'])
    .transform((value) => value === 'true' || value === '1')
    .optional(),
  FIRN_KAFKA_TLS_CA_PATH: text,
  FIRN_KAFKA_TLS_CERT_PATH: text,
  FIRN_KAFKA_TLS_KEY_PATH: text,
  FIRN_KAFKA_TLS_SERVER_NAME: text,
  FIRN_KAFKA_SASL_MECHANISM: z.enum(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']).optional(),
  FIRN_KAFKA_USERNAME: text,
  FIRN_KAFKA_PASSWORD: text,
  FIRN_KAFKA_PASSWORD_FILE: text,
  FIRN_KAFKA_TOKEN: text,
  FIRN_KAFKA_TOKEN_FILE: text,
}

type Given = z.infer<z.ZodObject<typeof KAFKA>>
type Setting = keyof Given

/** Undefined where the environment names no broker. Throws `config`, without the values: some are secrets. */
export function kafkaConfig(given: Given, cwd: string): KafkaConfig | undefined {
  if (given.FIRN_KAFKA_BROKERS === undefined) {
    const alone = settings(KAFKA).find((name) => name !== 'FIRN_KAFKA_CLIENT_ID' && given[name] !== undefined)
    if (alone === undefined) return undefined
    throw wrong(`${alone} is for a Kafka broker, but FIRN_KAFKA_BROKERS names none: set or unset both.`)
  }
  const tls = tlsOf(given, cwd)
  const sasl = saslOf(given, cwd)
  return {
    brokers: brokersOf(given.FIRN_KAFKA_BROKERS),
    clientId: given.FIRN_KAFKA_CLIENT_ID ?? 'firn',
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
  }
}

function brokersOf(given: string): readonly string[] {
  const brokers = given.split(',').map((broker) => broker.trim())
  const bad = brokers.find(
    (broker) => !/^[a-z0-9._-]+:[1-9]\d{0,4}$/i.test(broker) || portOf(broker) > 65_535,
  )
  if (bad === undefined) return brokers
  // An address may have come with a login in it.
  throw wrong(
    `FIRN_KAFKA_BROKERS has ${JSON.stringify(bad.replace(/^.*@/, '…@'))} where host:port belongs: give names or IPv4 addresses with ports, as in kafka-1:9092,kafka-2:9092.`,
  )
}

function portOf(broker: string): number {
  return Number(broker.slice(broker.lastIndexOf(':') + 1))
}

function tlsOf(given: Given, cwd: string): KafkaTls | undefined {
  const { FIRN_KAFKA_TLS_CERT_PATH: cert, FIRN_KAFKA_TLS_KEY_PATH: key } = given
  if (given.FIRN_KAFKA_TLS !== true) {
    const alone = settings(KAFKA).find(
      (name) => name.startsWith('FIRN_KAFKA_TLS_') && given[name] !== undefined,
    )
    if (alone === undefined) return undefined
    throw wrong(`${alone} is for TLS, which is off: set FIRN_KAFKA_TLS=true, or unset both.`)
  }
  if ((cert === undefined) !== (key === undefined))
    throw wrong('FIRN_KAFKA_TLS_CERT_PATH and FIRN_KAFKA_TLS_KEY_PATH belong together: set both or none.')
  const { FIRN_KAFKA_TLS_CA_PATH: ca, FIRN_KAFKA_TLS_SERVER_NAME: serverName } = given
  const pem = (name: Setting, path: string): string => read(name, path, cwd)
  return {
    ...(ca === undefined ? {} : { ca: pem('FIRN_KAFKA_TLS_CA_PATH', ca) }),
    ...(cert === undefined || key === undefined
      ? {}
      : {
          client: {
            cert: pem('FIRN_KAFKA_TLS_CERT_PATH', cert),
            key: pem('FIRN_KAFKA_TLS_KEY_PATH', key),
          },
        }),
    ...(serverName === undefined ? {} : { serverName }),
  }
}

const LOGIN: readonly Setting[] = ['FIRN_KAFKA_USERNAME', 'FIRN_KAFKA_PASSWORD', 'FIRN_KAFKA_PASSWORD_FILE']
const TOKEN: readonly Setting[] = ['FIRN_KAFKA_TOKEN', 'FIRN_KAFKA_TOKEN_FILE']

function saslOf(given: Given, cwd: string): KafkaSasl | undefined {
  const mechanism = given.FIRN_KAFKA_SASL_MECHANISM
  const isSet = (name: Setting): boolean => given[name] !== undefined
  if (mechanism === undefined) {
    const alone = [...LOGIN, ...TOKEN].find(isSet)
    if (alone === undefined) return undefined
    throw wrong(`${alone} is for a login, but FIRN_KAFKA_SASL_MECHANISM names none: set or unset both.`)
  }
  const [wanted, unwanted] = mechanism === 'oauthbearer' ? [TOKEN, LOGIN] : [LOGIN, TOKEN]
  const odd = unwanted.find(isSet)
  if (odd !== undefined)
    throw wrong(`${odd} has no meaning for ${mechanism}: set ${wanted.join(', ')} instead.`)
  if (mechanism === 'oauthbearer') {
    const { FIRN_KAFKA_TOKEN: token, FIRN_KAFKA_TOKEN_FILE: tokenPath } = given
    if ((token === undefined) === (tokenPath === undefined))
      throw wrong('oauthbearer wants either FIRN_KAFKA_TOKEN or FIRN_KAFKA_TOKEN_FILE.')
    return token === undefined
      ? { mechanism, tokenPath: resolve(cwd, tokenPath ?? '') }
      : { mechanism, token }
  }
  const { FIRN_KAFKA_USERNAME: username, FIRN_KAFKA_PASSWORD: text, FIRN_KAFKA_PASSWORD_FILE: path } = given
  if (username === undefined || (text === undefined) === (path === undefined))
    throw wrong(
      `${mechanism} wants FIRN_KAFKA_USERNAME and either FIRN_KAFKA_PASSWORD or FIRN_KAFKA_PASSWORD_FILE.`,
    )
  const password = text ?? read('FIRN_KAFKA_PASSWORD_FILE', path ?? '', cwd).replace(/\r?\n$/, '')
  return { mechanism, username, password }
}

function read(name: Setting, path: string, cwd: string): string {
  try {
    return readFileSync(resolve(cwd, path), 'utf8')
  } catch (cause) {
    throw new FirnError(
      'config',
      `${name} names ${resolve(cwd, path)}, which can't be read: correct its path or its permissions.`,
      { cause },
    )
  }
}

function settings<T extends object>(of: T): (keyof T)[] {
  return Object.keys(of) as (keyof T)[]
}

function wrong(message: string): FirnError {
  return new FirnError('config', message)
}
