import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '..')

/** A machine with nothing on it but what a test puts into `bin`. */
let machine: string
let bin: string
beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), 'firn-services-'))
  bin = join(machine, 'bin')
  mkdirSync(bin)
})
afterEach(() => rmSync(machine, { recursive: true, force: true }))

describe('a command that is not understood ends with 2 and says what there is', () => {
  test.each([
    [[], 'which command?'],
    [['begin'], 'there is no command "begin"'],
    [['toString'], 'there is no command "toString"'],
    [['start', 'kafka', 'toString', 'k4fka'], 'there is no service "toString", "k4fka"'],
    [['start', '--form', 'compose'], "Unknown option '--form'"],
    [['start', '--from', 'pakages'], '--from pakages: give compose or packages'],
    [['start', 'kafka', '--kafka-set', 'log.segment.bytes'], '--kafka-set log.segment.bytes: give key=value'],
    [['start', 'kafka', '--kafka-set', 'a\nb=1'], 'give key=value'],
    [['start', 's3', '--kafka-sasl'], 'are for kafka, which is not named'],
    [['kill', 'kafka', '--signal', 'SIGNONE'], '--signal SIGNONE: there is no such signal'],
    [['start', '--while-pid', '-1'], 'while-pid'],
  ])('%j', (args, message) => {
    const { status, stdout, stderr } = services(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toContain('temporal | kafka | s3 | redis | mlflow')
    expect(existsSync(join(machine, 'all'))).toBe(false)
  })
})

describe('a machine that lacks something is told what', () => {
  test.each([
    ['temporal', 'no Temporal CLI and no `go` to compile it'],
    ['kafka', 'Kafka needs Java 17 or newer'],
    ['s3', 'no `go` on PATH'],
    ['redis', 'no `redis-server` on PATH'],
    ['mlflow', 'no `python3` on PATH'],
  ])('%s', (name, message) => {
    const { status, stderr } = services(['start', name])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^services failed: /)
    expect(stderr).toContain(message)
    expect(stderr).toContain('or start a container engine')
    expect(stderr).not.toContain('    at ')
  })

  test('all at once, where all is asked for', () => {
    const { status, stderr } = services(['start'])
    expect(status).toBe(1)
    expect(stderr.trim().split('\n')).toHaveLength(5)
  })

  test('`check` says it of each and starts nothing', () => {
    const { status, stdout } = services(['check', 'kafka', 'redis', '--json'])
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toEqual({
      kafka: expect.stringContaining('Java'),
      redis: expect.stringContaining('redis-server'),
    })
    expect(existsSync(join(machine, 'all'))).toBe(false)
  })

  test('with Java and without Maven it is Maven', () => {
    program('java', '')
    expect(services(['start', 'kafka']).stderr).toContain('no `mvn` on PATH')
  })

  test('a Java that is too old is named with its version', () => {
    program('java', 'console.error(\'openjdk version "11.0.2" 2019-01-15\')')
    mkdirSync(join(machine, 'cache', 'kafka-4.1.0'), { recursive: true })
    const { status, stderr } = services(['start', 'kafka'])
    expect(status).toBe(1)
    expect(stderr).toContain(`${join(bin, 'java')} is Java 11`)
  })

  test('a download that fails shows why, and leaves nothing that a later one would take for it', () => {
    program('java', '')
    program('mvn', "console.log('no route to the repository'); process.exit(1)")
    const { status, stderr } = services(['start', 'kafka'])
    expect(status).toBe(1)
    expect(stderr).toContain('mvn ended with 1:\nno route to the repository')
    expect(existsSync(join(machine, 'cache', 'kafka-4.1.0'))).toBe(false)
    expect(spawnSync('ls', [join(machine, 'cache')], { encoding: 'utf8' }).stdout).toBe('')
  })

  test('an engine that does not answer is none', () => {
    program('docker', "if (process.argv[2] === 'info') process.exit(1)")
    expect(services(['start', 'redis']).stderr).toContain('no `redis-server` on PATH')
    expect(services(['start', 'redis', '--from', 'compose']).stderr).toContain(
      'no container engine with compose',
    )
  })
})

test('the guide names only what the command takes', () => {
  const guide = readFileSync(join(root, 'docs', 'services.md'), 'utf8')
  const { stdout: usage } = services(['--help'])
  const lines = [...guide.matchAll(/services\.mjs ([^#\n)]+)/g)].map(([, line]) => line!)
  const words = lines.flatMap((line) => line.match(/^[a-z]+|--[a-z][a-z-]+/g) ?? [])
  expect(words.length).toBeGreaterThan(20)
  expect(words.filter((word) => !usage.includes(`  ${word} `))).toEqual([])
})

test('services that do not run lead nowhere', () => {
  expect(services(['env'])).toMatchObject({ status: 0, stdout: '' })
  const { status, stderr } = services(['env', 'kafka'])
  expect(status).toBe(1)
  expect(stderr).toContain('Start it: services.mjs start kafka')
  expect(services(['stop'])).toMatchObject({ status: 0 })
  expect(services(['status']).stdout.trim().split('\n')).toHaveLength(5)
})

test('a state that was damaged is named', () => {
  mkdirSync(join(machine, 'all'))
  writeFileSync(join(machine, 'all', 'services.json'), '{"services":')
  const { status, stderr } = services(['status'])
  expect(status).toBe(1)
  expect(stderr).toContain(`${join(machine, 'all', 'services.json')} can't be read`)
})

describe('where a container engine answers', () => {
  const example = readFileSync(join(root, 'scripts', 'compose', 'env.example'), 'utf8')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
  beforeEach(() => engine())

  test('containers are started, and the environment is that of the example', () => {
    const { status, stdout, stderr } = services(['start'])
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout.trim().split('\n')).toEqual(example.map((line) => `export ${line}`))
    expect(composed()).toContain('up --detach --wait temporal redpanda garage redis mlflow')
    expect(composed()).toContain('run --rm --no-deps garage-buckets')
    expect(services(['env']).stdout).toBe(stdout)
  })

  test('only what is named is started and stopped', () => {
    const { stdout } = services(['start', 'kafka', 'temporal', '--json'])
    expect(JSON.parse(stdout)).toEqual({
      TEMPORAL_ADDRESS: '127.0.0.1:7233',
      FIRN_KAFKA_BROKERS: '127.0.0.1:19092',
    })
    services(['stop', 'kafka'])
    services(['kill', 'temporal', '--signal', 'SIGSTOP'])
    expect(composed().filter((line) => !/^(config|ps|version)/.test(line))).toEqual([
      'up --detach --wait temporal redpanda',
      'stop redpanda',
      'kill --signal SIGSTOP temporal',
    ])
  })

  test('packages are used where they are asked for, also by a setting of the broker', () => {
    expect(services(['start', 'redis', '--from', 'packages']).stderr).toContain('redis-server')
    expect(services(['start', 'kafka', '--kafka-sasl']).stderr).toContain('Java')
    expect(composed()).toEqual([])
  })

  test('a service is not moved away from its data', () => {
    services(['start', 'kafka'])
    const { status, stderr } = services(['start', 'kafka', '--from', 'packages'])
    expect(status).toBe(1)
    expect(stderr).toContain('kafka was started from compose here, with its data: give another --dir')
  })
})

function services(args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'scripts', 'services.mjs'), ...args, '--dir', join(machine, 'all')],
    { encoding: 'utf8', env: { PATH: bin, HOME: machine, FIRN_CACHE: join(machine, 'cache') } },
  )
  return { status, stdout, stderr }
}

function program(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!${process.execPath}\n${script}\n`)
  chmodSync(join(bin, name), 0o755)
}

/** Docker as far as it is asked: notes what compose is told, and resolves docker-compose.yaml. */
function engine(): void {
  writeFileSync(join(machine, 'composed'), '')
  const { services } = parse(readFileSync(join(root, 'docker-compose.yaml'), 'utf8'), { merge: true }) as {
    services: Record<string, { ports?: string[]; environment?: Record<string, string> }>
  }
  const resolved = Object.entries(services).map(([name, { ports = [], environment = {} }]) => [
    name,
    {
      ports: ports.map((port) => {
        const [host, published, target] = port.split(':')
        return { host_ip: host, published, target: Number(target) }
      }),
      environment: Object.fromEntries(
        Object.entries(environment).map(([key, value]) => [key, value.replace(/^\$\{\w+:-(.*)\}$/, '$1')]),
      ),
    },
  ])
  const answers = {
    config: JSON.stringify({ services: Object.fromEntries(resolved) }),
    ps: 'temporal\nredpanda\ngarage\nredis\nmlflow\n',
  }
  program(
    'docker',
    `const [, , first, ...args] = process.argv
    if (first !== 'compose') process.exit(0)
    if (args[0] === '--file') args.splice(0, 2)
    require('fs').appendFileSync(${JSON.stringify(join(machine, 'composed'))}, args.join(' ') + '\\n')
    process.stdout.write(${JSON.stringify(answers)}[args[0]] ?? '')`,
  )
}

function composed(): string[] {
  const lines = readFileSync(join(machine, 'composed'), 'utf8').split('\n')
  return lines.filter((line) => line !== '')
}
