#!/usr/bin/env node
// Starts and stops what Firn can use (Temporal, Kafka, an S3 store, Redis, MLflow) on this machine's loopback.
// docs/services.md says more. Progress goes to stderr, answers to stdout. Exit codes: 0 ok, 1 failed, 2 usage, 3 crashed.
import { constants } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as commands from './services/commands.mjs'
import { NAMES } from './services/kinds.mjs'
import { ServiceError } from './services/packages.mjs'

const USAGE = `usage: services.mjs <command> [names…] [options]
commands
  start      starts services and prints the environment that leads to them
  stop       ends them in order; their data stays
  restart    both
  status     what runs, and where
  env        the environment of those that run, as lines for a shell
  check      what a service still lacks here
  fetch      fetches programs and starts none
  kill       a fault, for tests: sends them --signal
names        ${NAMES.join(' | ')} (none: all of them)
options
  --dir <folder>             where their data, logs, keys and ports are (default .firn/services)
  --from <compose|packages>  containers of docker-compose.yaml, or programs from language packages
                             (default: containers where an engine answers)
  --json                     answers as JSON
  --kafka-sasl               start: a second listener with TLS and SASL; env: the settings that lead to that one
  --kafka-set <key=value>    a setting of the broker from packages; may be repeated, holds for later starts,
                             an empty value takes it away
  --while-pid <pid>          ends all of them by force when this process is gone
  --force                    stop: at once
  --fetched                  check: that nothing is left to fetch
  --signal <name>            kill: default SIGKILL`

const OPTIONS = {
  dir: { type: 'string', default: join('.firn', 'services') },
  from: { type: 'string' },
  json: { type: 'boolean', default: false },
  'kafka-sasl': { type: 'boolean', default: false },
  'kafka-set': { type: 'string', multiple: true, default: [] },
  'while-pid': { type: 'string' },
  force: { type: 'boolean', default: false },
  fetched: { type: 'boolean', default: false },
  signal: { type: 'string', default: 'SIGKILL' },
  help: { type: 'boolean', short: 'h', default: false },
}

async function main() {
  const { values, positionals } = parse()
  const [command, ...names] = positionals
  if (values.help) {
    console.log(USAGE)
    return
  }
  if (command === undefined) usage('which command?')
  if (!Object.hasOwn(commands, command)) usage(`there is no command "${command}"`)
  const unknown = names.filter((name) => !NAMES.includes(name))
  if (unknown.length > 0) usage(`there is no service "${unknown.join('", "')}"`)
  if (values.from !== undefined && !['compose', 'packages'].includes(values.from))
    usage(`--from ${values.from}: give compose or packages`)
  if (!(values.signal in constants.signals)) usage(`--signal ${values.signal}: there is no such signal`)
  if (values['while-pid'] !== undefined && !/^[1-9]\d*$/.test(values['while-pid']))
    usage(`--while-pid ${values['while-pid']}: give the number of a process`)
  const settings = kafkaOptions(values)
  if (settings !== undefined && names.length > 0 && !names.includes('kafka'))
    usage('--kafka-sasl and --kafka-set are for kafka, which is not named')
  await commands[command]({
    dir: resolve(values.dir),
    names: names.length === 0 ? undefined : NAMES.filter((name) => names.includes(name)),
    values,
    kafkaOptions: settings,
    say: (text) => console.error(`services  ${text}`),
  })
}

/** Undefined where none are given: those of the last start hold. */
function kafkaOptions(values) {
  if (!values['kafka-sasl'] && values['kafka-set'].length === 0) return undefined
  const settings = values['kafka-set'].map((text) => {
    const at = text.indexOf('=')
    const key = text.slice(0, Math.max(at, 0)).trim()
    if (!/^[\w.-]+$/.test(key)) usage(`--kafka-set ${text}: give key=value`)
    return [key, text.slice(at + 1)]
  })
  return { sasl: values['kafka-sasl'], set: Object.fromEntries(settings) }
}

function parse() {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS })
  } catch (error) {
    return usage(error.message)
  }
}

function usage(problem) {
  console.error(`services: ${problem}\n${USAGE}`)
  process.exit(2)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof ServiceError ? `services failed: ${error.message}` : error)
  process.exitCode = error instanceof ServiceError ? 1 : 3
}
