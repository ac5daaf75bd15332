#!/usr/bin/env node
// Starts and stops what Firn can use (Temporal, Kafka, an S3 store, Redis, MLflow) on this machine's loopback.
// docs/services.md says more. Progress goes to stderr, the environment to stdout.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { kafka } from './services/kafka.mjs'
import { mlflow } from './services/mlflow.mjs'
import { redis } from './services/redis.mjs'
import { s3 } from './services/s3.mjs'
import { temporal } from './services/temporal.mjs'
import { ServiceError } from './services/packages.mjs'
import { bornAt, endProcess, isAlive, signalProcess, startProcess } from './services/processes.mjs'
import { readState, withLock, writeState } from './services/state.mjs'
import { environmentOf, startService } from './services/start.mjs'

const KINDS = { temporal, kafka, s3, redis, mlflow }
const COMMANDS = { start, stop, restart, status, env, check, kill, fetch: fetchPackages, guard }
const USAGE = `usage: services.mjs <command> [names…] [options]
commands  start | stop | restart | status | env | check | fetch | kill
names     ${Object.keys(KINDS).join(' | ')} (none: all of them)
options   --dir <folder>             where they live (default .firn/services)
          --json                     answers as JSON
          --kafka-sasl               a second listener with TLS and SASL
          --kafka-set <key=value>    a setting of the broker, may be repeated
          --force                    stop without asking
          --from <compose|packages>  containers, or programs from language packages (default: what is there)
          --while-pid <pid>          stop everything here by force when this process is gone
          --fetched                  for check: nothing may be left to fetch
          --signal <name>            for kill (default SIGKILL)`

async function main(argv) {
  const { values, positionals } = parse(argv)
  const [command, ...names] = positionals
  const unknown = names.filter((name) => !(name in KINDS))
  if (!(command in COMMANDS)) usage(command === undefined ? 'which command?' : `no command "${command}"`)
  if (unknown.length > 0) usage(`no service "${unknown.join('", "')}"`)
  const context = {
    dir: resolve(values.dir),
    names: names.length === 0 ? undefined : Object.keys(KINDS).filter((name) => names.includes(name)),
    values,
    say: (text) => console.error(`services  ${text}`),
  }
  await COMMANDS[command](context)
}

async function start(context) {
  const { dir, say, values } = context
  const names = context.names ?? Object.keys(KINDS)
  await withLock(dir, say, async () => {
    const state = readState(dir)
    await startGuard(context, state)
    const outcomes = await Promise.allSettled(
      names.map((name) =>
        startService({ name, kind: KINDS[name], dir, state, options: options(name, values), say }),
      ),
    )
    const failures = outcomes.flatMap(({ reason }) => (reason === undefined ? [] : [reason]))
    const fault = failures.find((failure) => !(failure instanceof ServiceError))
    if (fault !== undefined) throw fault
    if (failures.length > 0) throw new ServiceError(failures.map(({ message }) => message).join('\n'))
  })
  print(context, allEnvironment(dir, context.names))
}

async function stop({ dir, names, say, values }) {
  if (Object.keys(readState(dir).services).length === 0) return
  await withLock(dir, say, async () => {
    const state = readState(dir)
    const known = Object.keys(state.services)
    if (names === undefined) {
      signalProcess(state.guard, 'SIGKILL')
      delete state.guard
    }
    await stopServices(dir, state, names?.filter((name) => known.includes(name)) ?? known, values.force, say)
  })
}

async function stopServices(dir, state, names, force, say) {
  await Promise.all(
    names.map(async (name) => {
      const service = state.services[name]
      if (isAlive(service.process)) {
        const how = await endProcess(service.process, { graceMs: KINDS[name].graceMs, force })
        say(`${name}: ${how === 'ended' || force ? 'stopped' : 'did not end in time, stopped by force'}`)
      }
      delete service.process
      writeState(dir, state)
    }),
  )
  writeState(dir, state)
}

async function restart(context) {
  await stop(context)
  await start({ ...context, names: context.names ?? Object.keys(readState(context.dir).services) })
}

async function status(context) {
  const { services } = readState(context.dir)
  const rows = (context.names ?? Object.keys(KINDS)).map((name) => ({
    name,
    state:
      services[name] === undefined
        ? 'never started'
        : isAlive(services[name].process)
          ? 'running'
          : 'stopped',
    ...(services[name] === undefined ? {} : { ports: services[name].ports }),
    ...(isAlive(services[name]?.process) ? { pid: services[name].process.pid } : {}),
  }))
  if (context.values.json) console.log(JSON.stringify(rows, null, 2))
  else
    for (const { name, state, ports, pid } of rows)
      console.log(
        [
          name.padEnd(9),
          state.padEnd(13),
          Object.entries(ports ?? {})
            .map(([use, port]) => `${use} ${port}`)
            .join(', '),
          pid && `pid ${pid}`,
        ]
          .filter(Boolean)
          .join('  '),
      )
}

async function env(context) {
  const { services } = readState(context.dir)
  const lacking = (context.names ?? []).filter((name) => !isAlive(services[name]?.process))
  if (lacking.length > 0)
    throw new ServiceError(
      `not running in ${context.dir}: ${lacking.join(', ')}. Start it: services.mjs start ${lacking.join(' ')}`,
    )
  print(context, allEnvironment(context.dir, context.names))
}

/** Says of each service what it lacks here; ends with 1 where one lacks something. */
async function check(context) {
  const lackOf = (name) =>
    KINDS[name].lacking() ??
    (context.values.fetched && !KINDS[name].isFetched()
      ? `${KINDS[name].title} is not fetched yet: run \`node scripts/services.mjs fetch ${name}\``
      : undefined)
  const lacks = Object.fromEntries(
    (context.names ?? Object.keys(KINDS)).map((name) => [name, lackOf(name) ?? null]),
  )
  if (context.values.json) console.log(JSON.stringify(lacks))
  else
    for (const [name, lack] of Object.entries(lacks))
      console.log(`${name.padEnd(9)} ${lack ?? 'can be started'}`)
  if (Object.values(lacks).some((lack) => lack !== null)) process.exitCode = 1
}

/** Fetches what services are made of and starts none. */
async function fetchPackages({ names, say }) {
  for (const name of names ?? Object.keys(KINDS)) {
    const lack = KINDS[name].lacking()
    if (lack !== undefined) throw new ServiceError(`${name}: ${lack}.`)
    await KINDS[name].fetch((text) => say(`${name}: ${text}`))
  }
}

/** Lets a process of its own watch `--while-pid`, one for a folder. */
async function startGuard({ dir, values }, state) {
  if (values['while-pid'] === undefined || isAlive(state.guard)) return
  state.guard = await startProcess({
    program: process.execPath,
    args: [fileURLToPath(import.meta.url), 'guard', '--dir', dir, '--while-pid', values['while-pid']],
    cwd: dir,
    log: join(dir, 'guard.log'),
  })
  writeState(dir, state)
}

/** However the watched process ends, also by force, the services must not stay. */
async function guard({ dir, say, values }) {
  const pid = Number(values['while-pid'])
  const watched = { pid, born: bornAt(pid) }
  while (isAlive(watched)) {
    await delay(500)
    if (!existsSync(join(dir, 'services.json'))) return
  }
  await withLock(dir, say, async () => {
    const state = readState(dir)
    delete state.guard
    await stopServices(dir, state, Object.keys(state.services), true, say)
  })
}

/** Sends a signal to running services, as a fault would: for tests. After SIGKILL it waits for their end. */
async function kill(context) {
  const { services } = readState(context.dir)
  for (const name of context.names ?? Object.keys(services)) {
    const known = services[name]?.process
    if (!isAlive(known)) throw new ServiceError(`${name} does not run in ${context.dir}.`)
    if (context.values.signal === 'SIGKILL') await endProcess(known, { force: true })
    else signalProcess(known, context.values.signal)
  }
}

/** Of the services that run. */
function allEnvironment(dir, names) {
  const { services } = readState(dir)
  return Object.assign(
    {},
    ...Object.keys(KINDS)
      .filter((name) => (names === undefined || names.includes(name)) && isAlive(services[name]?.process))
      .map((name) => environmentOf(KINDS[name], dir, name, services[name])),
  )
}

function print({ values }, environment) {
  if (values.json) console.log(JSON.stringify(environment, null, 2))
  else
    for (const [name, value] of Object.entries(environment))
      console.log(
        `export ${name}=${/^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`}`,
      )
}

/** Settings given now; undefined where none is: those of the last start hold. */
function options(name, values) {
  if (name !== 'kafka' || (!values['kafka-sasl'] && values['kafka-set'].length === 0)) return undefined
  const set = values['kafka-set'].map((text) => {
    const at = text.indexOf('=')
    if (at < 1) usage(`--kafka-set ${text}: give key=value`)
    return [text.slice(0, at).trim(), text.slice(at + 1)]
  })
  return { sasl: values['kafka-sasl'], set: Object.fromEntries(set) }
}

function parse(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        dir: { type: 'string', default: join('.firn', 'services') },
        json: { type: 'boolean', default: false },
        'kafka-sasl': { type: 'boolean', default: false },
        'kafka-set': { type: 'string', multiple: true, default: [] },
        force: { type: 'boolean', default: false },
        from: { type: 'string' },
        fetched: { type: 'boolean', default: false },
        'while-pid': { type: 'string' },
        signal: { type: 'string', default: 'SIGKILL' },
      },
    })
  } catch (error) {
    return usage(error.message)
  }
}

function usage(problem) {
  console.error(`services: ${problem}\n${USAGE}`)
  process.exit(2)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof ServiceError ? `services failed: ${error.message}` : error)
    process.exitCode = error instanceof ServiceError ? 1 : 3
  }
}
