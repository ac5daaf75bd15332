// Ends services and keeps their ports, keys, settings and data for the next start.
import * as compose from './compose.mjs'
import { KINDS } from './kinds.mjs'
import { endProcess, isAlive } from './processes.mjs'
import { writeState } from './state.mjs'

export async function stopServices({ dir, state, names, force, say }) {
  const inContainers = names.filter((name) => state.services[name].from === 'compose')
  if (inContainers.length > 0) await compose.stop(inContainers, force, say)
  const others = names.filter((name) => !inContainers.includes(name))
  await Promise.all(
    others.map(async (name) => {
      const service = state.services[name]
      if (isAlive(service.process)) {
        const how = await endProcess(service.process, { graceMs: KINDS[name].graceMs, force })
        say(`${name}: ${how === 'ended' || force ? 'stopped' : 'did not end in time, stopped by force'}`)
      }
      delete service.process
    }),
  )
  writeState(dir, state)
}
