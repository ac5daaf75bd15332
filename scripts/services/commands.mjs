// What services.mjs can be told to do. Each takes `{dir, names, values, kafkaOptions, say}`; `names` undefined: all.
import * as compose from './compose.mjs'
import { watch } from './guard.mjs'
import { KINDS, NAMES } from './kinds.mjs'
import { ServiceError } from './packages.mjs'
import { endProcess, isAlive, signalProcess } from './processes.mjs'
import { environmentOf, startService } from './start.mjs'
import { readState, withLock } from './state.mjs'
import { stopServices } from './stop.mjs'

export async function start(context) {
  const { dir, say, values } = context
  const names = context.names ?? NAMES
  await withLock(dir, say, async () => {
    const state = readState(dir)
    const inContainers = await chooseContainers(names, context, state)
    if (inContainers.length > 0) await compose.start({ names: inContainers, dir, state, say })
    const others = names.filter((name) => !inContainers.includes(name))
    if (values['while-pid'] !== undefined && others.length > 0) await watch(dir, state, values['while-pid'])
    await all(others, (name) => {
      const options = name === 'kafka' ? context.kafkaOptions : undefined
      return startService({ name, kind: KINDS[name], dir, state, options, say })
    })
  })
  printEnvironment(context, environment(dir, names))
}

/** A service stays where its data is; a new one goes into a container where an engine answers. */
async function chooseContainers(names, { values, kafkaOptions }, { services }) {
  const isGiven = (name) => values.from !== undefined || (name === 'kafka' && kafkaOptions !== undefined)
  const given = values.from ?? 'packages'
  const fresh = names.some((name) => services[name] === undefined && !isGiven(name))
  const preferred = fresh && (await compose.engine()) !== undefined ? 'compose' : 'packages'
  return names.filter((name) => {
    const known = services[name]?.from
    if (known !== undefined && isGiven(name) && known !== given)
      throw new ServiceError(
        `${name} was started from ${known} here, with its data: give another --dir for one from ${given}.`,
      )
    return (known ?? (isGiven(name) ? given : preferred)) === 'compose'
  })
}

/** Waits for all of them, also where one fails. */
async function all(names, work) {
  const outcomes = await Promise.allSettled(names.map(work))
  const reasons = outcomes.flatMap(({ reason }) => (reason === undefined ? [] : [reason]))
  const fault = reasons.find((reason) => !(reason instanceof ServiceError))
  if (fault !== undefined) throw fault
  if (reasons.length > 0) throw new ServiceError(reasons.map(({ message }) => message).join('\n'))
}

export async function stop({ dir, names, say, values }) {
  if (Object.keys(readState(dir).services).length === 0) return
  await withLock(dir, say, async () => {
    const state = readState(dir)
    if (names === undefined) {
      signalProcess(state.guard, 'SIGKILL')
      delete state.guard
    }
    const known = Object.keys(state.services)
    const stopped = names?.filter((name) => known.includes(name)) ?? known
    await stopServices({ dir, state, names: stopped, force: values.force, say })
  })
}

export async function restart(context) {
  const known = Object.keys(readState(context.dir).services)
  const names = context.names ?? (known.length > 0 ? known : undefined)
  await stop({ ...context, names: names ?? NAMES })
  await start({ ...context, names })
}

export async function status({ dir, names = NAMES, values }) {
  const { services } = readState(dir)
  const up = await compose.running(services)
  const rows = names.map((name) => {
    const service = services[name]
    if (service === undefined) return { name, state: 'never started' }
    const state = isAlive(service.process) || up.includes(name) ? 'running' : 'stopped'
    const pid = isAlive(service.process) ? { pid: service.process.pid } : {}
    return { name, state, from: service.from, ...(service.ports && { ports: service.ports }), ...pid }
  })
  if (values.json) console.log(JSON.stringify(rows, null, 2))
  else for (const row of rows) console.log(statusLine(row))
}

function statusLine({ name, state, from, ports = {}, pid }) {
  const where = Object.entries(ports).map(([use, port]) => `${use} ${port}`)
  return [name.padEnd(9), state.padEnd(14), (from ?? '').padEnd(9), where.join(', '), pid ? `pid ${pid}` : '']
    .join(' ')
    .trimEnd()
}

export async function env(context) {
  const { dir, values } = context
  const { services } = readState(dir)
  const up = await compose.running(services)
  const runs = (name) => isAlive(services[name]?.process) || up.includes(name)
  const names = context.names ?? NAMES.filter(runs)
  const idle = names.filter((name) => !runs(name))
  if (idle.length > 0)
    throw new ServiceError(
      `not running in ${dir}: ${idle.join(', ')}. Start it: services.mjs start ${idle.join(' ')}`,
    )
  if (!values['kafka-sasl']) return printEnvironment(context, environment(dir, names))
  if (!runs('kafka') || !services.kafka.options?.sasl)
    throw new ServiceError(
      `the broker in ${dir} has no listener with SASL: services.mjs restart kafka --kafka-sasl`,
    )
  const secure = KINDS.kafka.secureEnvironment(environment(dir, ['kafka']))
  return printEnvironment(context, { ...environment(dir, names), ...secure })
}

/** Says of each service what it lacks here; ends with 1 where one lacks something. */
export async function check({ names = NAMES, values }) {
  const lacks = names.map((name) => [name, lackOf(name, values.fetched) ?? null])
  if (values.json) console.log(JSON.stringify(Object.fromEntries(lacks)))
  else for (const [name, lack] of lacks) console.log(`${name.padEnd(9)} ${lack ?? 'can be started'}`)
  if (lacks.some(([, lack]) => lack !== null)) process.exitCode = 1
}

function lackOf(name, mustBeFetched) {
  const kind = KINDS[name]
  const lack = kind.lacking()
  if (lack !== undefined || !mustBeFetched || kind.isFetched()) return lack
  return `${kind.title} is not fetched yet: run \`node scripts/services.mjs fetch ${name}\``
}

export async function fetch({ names = NAMES, say }) {
  await all(names, async (name) => {
    const lack = KINDS[name].lacking()
    if (lack !== undefined) throw new ServiceError(`${name}: ${lack}.`)
    await KINDS[name].fetch((text) => say(`${name}: ${text}`))
  })
}

/** After SIGKILL it waits for their end. */
export async function kill({ dir, names, values }) {
  const { services } = readState(dir)
  for (const name of names ?? Object.keys(services)) {
    const known = services[name]?.process
    if (services[name]?.from === 'compose') await compose.kill([name], values.signal)
    else if (!isAlive(known)) throw new ServiceError(`${name} does not run in ${dir}.`)
    else if (values.signal === 'SIGKILL') await endProcess(known, { force: true })
    else signalProcess(known, values.signal)
  }
}

/** The process behind --while-pid. */
export { guard } from './guard.mjs'

function environment(dir, names) {
  const { services } = readState(dir)
  return Object.assign({}, ...names.map((name) => environmentOf(KINDS[name], dir, name, services[name])))
}

function printEnvironment({ values }, variables) {
  if (values.json) return console.log(JSON.stringify(variables, null, 2))
  const quoted = (value) =>
    /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`
  for (const [name, value] of Object.entries(variables)) console.log(`export ${name}=${quoted(value)}`)
}
