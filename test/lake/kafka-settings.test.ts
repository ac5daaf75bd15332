import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { kafkaError } from '../../lake/land/kafka/kafka-error.js'
import { readConfig } from '../../workers/config.js'

const folder = mkdtempSync(join(tmpdir(), 'firn-kafka-settings-'))
afterAll(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'ca.pem'), 'the authority')
writeFileSync(join(folder, 'password'), 'from a file\n')

const SECRET = 'secret-4711'
const kafkaOf = (settings: Record<string, string>) =>
  readConfig(
    Object.fromEntries(Object.entries(settings).map(([name, value]) => [`FIRN_KAFKA_${name}`, value])),
    folder,
  ).kafka

describe('settings of Kafka', () => {
  test('none: no broker; one: its address is enough', () => {
    expect(readConfig({}, folder).kafka).toBeUndefined()
    expect(kafkaOf({ CLIENT_ID: 'me' })).toBeUndefined()
    expect(kafkaOf({ BROKERS: 'a:9092, b.example:9093' })).toEqual({
      brokers: ['a:9092', 'b.example:9093'],
      clientId: 'firn',
    })
  })

  test('TLS and logins; passwords also from a file', () => {
    const settings = {
      ...{ BROKERS: 'a:1', TLS: 'true', TLS_CA_PATH: 'ca.pem', TLS_SERVER_NAME: 'kafka' },
      ...{ SASL_MECHANISM: 'scram-sha-512', USERNAME: 'u', PASSWORD_FILE: 'password' },
    }
    expect(kafkaOf(settings)).toMatchObject({
      tls: { ca: 'the authority', serverName: 'kafka' },
      sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'from a file' },
    })
    const token = { BROKERS: 'a:1', SASL_MECHANISM: 'oauthbearer', TOKEN_FILE: 'token' }
    // Tokens expire, so the file is read for each login.
    expect(kafkaOf(token)?.sasl).toEqual({ mechanism: 'oauthbearer', tokenPath: join(folder, 'token') })
  })

  const login = { BROKERS: 'a:1', SASL_MECHANISM: 'plain', USERNAME: 'u' }
  test.each<[Record<string, string>, string]>([
    [{ PASSWORD: SECRET }, 'FIRN_KAFKA_BROKERS names none'],
    [{ BROKERS: 'a' }, '"a" where host:port belongs'],
    [{ BROKERS: 'a:1,' }, '"" where host:port belongs'],
    [{ BROKERS: 'a:99999' }, '"a:99999" where host:port belongs'],
    [{ BROKERS: '[::1]:9092' }, 'host:port belongs'],
    [{ BROKERS: `PLAINTEXT://u:${SECRET}@a:1` }, 'host:port belongs'],
    [{ BROKERS: 'a:1', TLS_CA_PATH: 'ca.pem' }, 'set FIRN_KAFKA_TLS=true'],
    [{ BROKERS: 'a:1', TLS: 'true', TLS_CERT_PATH: 'ca.pem' }, 'belong together'],
    [{ BROKERS: 'a:1', TLS: 'true', TLS_CA_PATH: 'gone.pem' }, "can't be read"],
    [{ BROKERS: 'a:1', PASSWORD: SECRET }, 'FIRN_KAFKA_SASL_MECHANISM names none'],
    [{ BROKERS: 'a:1', SASL_MECHANISM: 'gssapi' }, 'FIRN_KAFKA_SASL_MECHANISM'],
    [{ ...login }, 'either FIRN_KAFKA_PASSWORD or FIRN_KAFKA_PASSWORD_FILE'],
    [{ ...login, PASSWORD: SECRET, PASSWORD_FILE: 'password' }, 'either'],
    [{ ...login, PASSWORD: SECRET, TOKEN: SECRET }, 'FIRN_KAFKA_TOKEN has no meaning for plain'],
    [{ BROKERS: 'a:1', SASL_MECHANISM: 'oauthbearer' }, 'FIRN_KAFKA_TOKEN_FILE'],
  ])('%j is refused', (settings, message) => {
    let error: unknown
    try {
      kafkaOf(settings)
    } catch (caught) {
      error = caught
    }
    expect(error).toMatchObject({ kind: 'config', message: expect.stringContaining(message) as string })
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(SECRET)
  })
})

describe('what a failure means', () => {
  const config = {
    ...{ brokers: ['a:1'], clientId: 'firn' },
    sasl: { mechanism: 'plain', username: 'u', password: SECRET },
  } as const
  const wrapped = (cause: object) => ({ name: 'KafkaJSNumberOfRetriesExceeded', message: 'too often', cause })

  test.each([
    [{ type: 'TOPIC_AUTHORIZATION_FAILED' }, 'config', 'user "u"'],
    [{ type: 'UNKNOWN_TOPIC_OR_PARTITION' }, 'not-found', 'Create it'],
    [wrapped({ code: 'SELF_SIGNED_CERT_IN_CHAIN', message: 'x' }), 'config', 'FIRN_KAFKA_TLS'],
    [wrapped({ code: 'ECONNREFUSED', message: 'connect ECONNREFUSED a:1' }), 'io', 'ECONNREFUSED'],
    [{ type: 'LEADER_NOT_AVAILABLE', message: 'no leader' }, 'io', 'no leader'],
    [{ name: 'KafkaJSSASLAuthenticationError', message: 'x' }, 'config', 'FIRN_KAFKA_PASSWORD'],
  ])('%j', (failure, kind, message) => {
    const error = kafkaError(failure, config, 'topic t')
    expect(error).toMatchObject({ kind, message: expect.stringContaining(message) as string })
    expect(JSON.stringify([error, error.cause])).not.toContain(SECRET)
  })
})
