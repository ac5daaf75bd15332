// One service from nothing to its first answer.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ServiceError } from './packages.mjs'
import { endProcess, isAlive, startProcess, tailOf } from './processes.mjs'
import { choosePorts, isSoonFree, writeState } from './state.mjs'

const READY_WITHIN_MS = 180_000
const PORT_TRIES = 3

/** Starts one service, or finds it running; what changes is written to `state`, which is `dir`'s. */
export async function startService({ name, kind, dir, state, options, say }) {
  const tell = (text) => say(`${name}: ${text}`)
  const lack = kind.lacking()
  if (lack !== undefined) throw new ServiceError(`${name}: ${lack}, or start a container engine.`)
  const known = state.services[name]
  const service = known ?? {
    from: 'packages',
    ports: await choosePorts(kind.ports),
    secrets: kind.secrets(),
    options: {},
  }
  const settings = options === undefined ? service.options : kind.mergeOptions(service.options, options)
  if (isAlive(service.process)) {
    await answers(name, kind, dir, service)
    const isSame = JSON.stringify(settings) === JSON.stringify(service.options)
    tell(isSame ? 'runs already' : 'runs already, without the settings given now: `restart` takes them')
    return
  }
  service.options = settings
  await kind.fetch(tell)
  for (let tries = 1; ; tries += 1) {
    try {
      state.services[name] = service
      await launch(name, kind, dir, service, () => writeState(dir, state))
      tell(
        `ready (${Object.entries(service.ports)
          .map(([use, port]) => `${use} ${port}`)
          .join(', ')})`,
      )
      return
    } catch (error) {
      if (!/in use/i.test(error.message) || tries === PORT_TRIES) throw error
      // Nothing knows the ports of a service that never ran. One that has may have lost a port of its own choice.
      if (known === undefined) service.ports = await choosePorts(kind.ports)
    }
  }
}

export function environmentOf(kind, dir, name, service) {
  return service.environment ?? kind.environment({ ...service, dir: join(dir, name) })
}

async function launch(name, kind, dir, service, save) {
  const folder = join(dir, name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const [taken] = (
    await Promise.all(Object.values(service.ports).map(async (port) => [port, await isSoonFree(port)]))
  ).filter(([, free]) => !free)
  if (taken !== undefined)
    throw new ServiceError(
      `${name}: its port ${taken[0]} is in use by another program: end that one (or remove ${folder} and its data to start anew).`,
    )
  save()
  const place = { ...service, dir: folder }
  await kind.prepare(place)
  const log = join(dir, `${name}.log`)
  service.process = await startProcess({ ...kind.command(place), log })
  save()
  try {
    await answers(name, kind, dir, service)
  } catch (error) {
    await endProcess(service.process, { force: true })
    delete service.process
    save()
    throw error
  }
}

async function answers(name, kind, dir, service) {
  const place = { ...service, dir: join(dir, name) }
  const log = join(dir, `${name}.log`)
  const withinMs = kind.readyWithinMs ?? READY_WITHIN_MS
  const until = Date.now() + withinMs
  for (;;) {
    try {
      return await kind.ready(place)
    } catch (error) {
      const died = !isAlive(service.process)
      if (!died && Date.now() < until) {
        await delay(100)
        continue
      }
      const what = died
        ? 'ended while it started'
        : `gives no answer after ${withinMs / 1000} s (${error.message})`
      throw new ServiceError(`${name} ${what}. The end of ${log}:\n${tailOf(log, service.process.logFrom)}`)
    }
  }
}
