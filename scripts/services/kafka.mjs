// Apache Kafka: one broker in KRaft mode out of Maven packages, with a plain and, where asked for, a TLS + SASL listener.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { ServiceError, cacheDir, fetched, isProgram, onPath, run } from './packages.mjs'
import { makeCertificates } from './certificates.mjs'

const VERSION = '4.1.0'
const NAME = `kafka-${VERSION}`
const MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN']
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>firnlake</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
`
/** Warnings only: at finer levels the broker logs its whole configuration. */
const LOGGING = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
`

export const kafka = {
  title: `Apache Kafka ${VERSION}`,
  ports: ['broker', 'controller', 'secure'],
  secrets: () => ({
    cluster: `firn${randomBytes(9).toString('hex')}`,
    username: 'firn',
    password: randomBytes(18).toString('hex'),
  }),
  lacking,
  isFetched: () => existsSync(join(cacheDir, NAME)),
  fetch: fetchJars,
  mergeOptions,
  prepare,
  command,
  ready,
  graceMs: 20_000,
  environment,
  secureEnvironment,
}

function lacking() {
  if (java() === undefined)
    return 'Kafka needs Java 17 or newer, and there is no `java` on PATH or under JAVA_HOME: install a JDK'
  if (!existsSync(join(cacheDir, NAME)) && onPath('mvn') === undefined)
    return 'Kafka is fetched by Maven, once, and there is no `mvn` on PATH: install Maven'
  return undefined
}

function java() {
  const home = process.env.JAVA_HOME
  return [home && join(home, 'bin', 'java'), onPath('java')].find((path) => path && isProgram(path))
}

/** Settings given once hold over later starts; an empty value takes one away. */
function mergeOptions(known, given) {
  const set = Object.entries({ ...known.set, ...given.set }).filter(([, value]) => value !== '')
  return { sasl: known.sasl === true || given.sasl, set: Object.fromEntries(set.sort()) }
}

async function fetchJars(say) {
  return fetched(NAME, async (folder) => {
    say(`fetching ${kafka.title} with Maven, 43 MB …`)
    writeFileSync(join(folder, 'pom.xml'), POM)
    const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
    await run('mvn', ['-q', '-B', plugin, '-DincludeScope=runtime', '-DoutputDirectory=lib'], { cwd: folder })
  })
}

/** Writes the configuration anew at each start; the storage is formatted once. */
async function prepare({ dir, ports, secrets, options }) {
  const format = join(dir, 'formatted')
  if (options.sasl) await makeCertificates(join(dir, 'tls'))
  writeFileSync(join(dir, 'log4j2.properties'), LOGGING)
  const settings = { ...brokerSettings(ports, secrets, options), ...options.set }
  writeFileSync(join(dir, 'server.properties'), properties(settings), { mode: 0o600 })
  if (existsSync(format)) return
  const version = /version "(\d+)/.exec(await javaVersion())?.[1]
  if (Number(version) < 17)
    throw new ServiceError(
      `Kafka ${VERSION} needs Java 17 or newer, and ${java()} is Java ${version}: set JAVA_HOME.`,
    )
  rmSync(join(dir, 'data'), { recursive: true, force: true })
  mkdirSync(join(dir, 'data'))
  const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${secrets.username},password=${secrets.password}]`,
  ])
  const args = ['kafka.tools.StorageTool', 'format', '-t', secrets.cluster, '-c', 'server.properties']
  // In a file: the arguments of a process can be read by everybody.
  const file = join(dir, 'format.args')
  writeFileSync(
    file,
    [...javaArguments('256m'), ...args, ...users].map((arg) => `${quoted(arg)}\n`).join(''),
    { mode: 0o600 },
  )
  try {
    await run(java(), ['@format.args'], { cwd: dir })
  } finally {
    rmSync(file)
  }
  writeFileSync(format, '')
}

async function javaVersion() {
  return run('/bin/sh', ['-c', '"$1" -version 2>&1', 'sh', java()])
}

function quoted(arg) {
  return `"${arg.replace(/["\\]/g, '\\$&')}"`
}

function command({ dir }) {
  const args = [...javaArguments('512m'), 'kafka.Kafka', 'server.properties']
  return { program: java(), args, cwd: dir }
}

function javaArguments(heap) {
  return [
    `-Xmx${heap}`,
    '-Djava.awt.headless=true',
    '-Dlog4j2.configurationFile=log4j2.properties',
    '-cp',
    join(cacheDir, NAME, 'lib', '*'),
  ]
}

/** Paths are relative to the broker's working folder: Kafka splits `log.dirs` at commas. */
function brokerSettings(ports, secrets, { sasl }) {
  const plain = `PLAINTEXT://127.0.0.1:${ports.broker}`
  const secure = `,SASL_SSL://127.0.0.1:${ports.secure}`
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    listeners: `${plain},CONTROLLER://127.0.0.1:${ports.controller}${sasl ? secure : ''}`,
    'advertised.listeners': `${plain}${sasl ? secure : ''}`,
    'listener.security.protocol.map':
      'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
    'log.dirs': 'data',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    ...(sasl ? saslSettings(secrets) : {}),
  }
}

function saslSettings({ username, password }) {
  const listener = 'listener.name.sasl_ssl'
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  return {
    [`${listener}.ssl.keystore.type`]: 'PEM',
    [`${listener}.ssl.keystore.location`]: 'tls/server.pem',
    [`${listener}.sasl.enabled.mechanisms`]: MECHANISMS.join(),
    [`${listener}.scram-sha-256.sasl.jaas.config`]: scram,
    [`${listener}.scram-sha-512.sasl.jaas.config`]: scram,
    [`${listener}.plain.sasl.jaas.config`]: `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`,
  }
}

function properties(settings) {
  const escaped = (value) => String(value).replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${escaped(value)}\n`)
    .join('')
}

/** An answer that names the broker. */
async function ready({ ports }) {
  const { Kafka, logLevel } = createRequire(import.meta.url)('kafkajs')
  const client = new Kafka({
    clientId: 'firn-services',
    brokers: [`127.0.0.1:${ports.broker}`],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2000,
    requestTimeout: 5000,
    retry: { retries: 0 },
  })
  const admin = client.admin()
  try {
    await admin.connect()
    const { brokers } = await admin.describeCluster()
    if (brokers.length === 0) throw new Error('the cluster has no broker yet')
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

function environment({ dir, ports, secrets, options }) {
  return {
    FIRN_KAFKA_BROKERS: `127.0.0.1:${ports.broker}`,
    ...(options.sasl
      ? {
          FIRN_KAFKA_TLS_BROKERS: `127.0.0.1:${ports.secure}`,
          FIRN_KAFKA_TLS_CA: join(dir, 'tls', 'ca.crt'),
          FIRN_KAFKA_TLS_USERNAME: secrets.username,
          FIRN_KAFKA_TLS_PASSWORD: secrets.password,
        }
      : {}),
  }
}

/** The settings by which Firn itself takes the listener with TLS and SASL. */
function secureEnvironment(environment) {
  return {
    FIRN_KAFKA_BROKERS: environment.FIRN_KAFKA_TLS_BROKERS,
    FIRN_KAFKA_TLS: 'true',
    FIRN_KAFKA_TLS_CA_PATH: environment.FIRN_KAFKA_TLS_CA,
    FIRN_KAFKA_SASL_MECHANISM: 'scram-sha-256',
    FIRN_KAFKA_USERNAME: environment.FIRN_KAFKA_TLS_USERNAME,
    FIRN_KAFKA_PASSWORD: environment.FIRN_KAFKA_TLS_PASSWORD,
  }
}
