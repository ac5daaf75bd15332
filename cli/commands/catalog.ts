import { InvalidArgumentError, type Command } from 'commander'
import { readFileSync, statSync } from 'node:fs'
import { FirnError } from '../../schemas/error.js'
import type { ServerFailure } from '../../server/catalog/create-server.js'
import { readConfig } from '../../workers/config.js'
import { integerOption } from '../integer-option.js'
import { aborted, interruptible } from '../interruption.js'
import { print, printJson } from '../output.js'

interface ServeOptions {
  readonly port: number
  readonly host: string
  readonly tokens?: string
  readonly allowLocation: readonly string[]
  readonly default: Properties
  readonly override: Properties
  readonly json?: true
}

type Properties = Readonly<Record<string, string>>

export function addCatalogCommand(program: Command): void {
  const catalog = program.command('catalog').description('the catalog of the lake, for other engines')
  catalog
    .command('serve')
    .description("serve the lake's catalog as an Apache Iceberg REST catalog until Ctrl-C")
    .option('--port <number>', 'port to listen on; 0 takes any free one', portOption, 8181)
    .option('--host <name>', 'address to listen on; other than this machine only with --tokens', '127.0.0.1')
    .option('--tokens <file>', 'JSON list of {token or sha256, name, grants: [{namespace, role}]}')
    .option(
      '--allow-location <uri>',
      'a folder outside of the warehouse that tables may lie in; may be repeated',
      (uri: string, before: readonly string[]) => [...before, uri],
      [],
    )
    .option(
      '--default <key=value>',
      'what clients use unless they say otherwise; may be repeated',
      property,
      {},
    )
    .option('--override <key=value>', 'what clients use whatever they say; may be repeated', property, {})
    .option('--json', 'print where it listens as JSON')
    .action(serve)
}

async function serve(options: ServeOptions): Promise<void> {
  const { port, host, tokens: tokensPath, allowLocation, json } = options
  const config = readConfig()
  const { parseTokens } = await import('../../server/catalog/access.js')
  const { serveCatalog } = await import('../../workers/serve-catalog.js')
  const tokens = tokensPath === undefined ? undefined : parseTokens(readTokens(tokensPath), tokensPath)
  const settings = {
    ...(tokens === undefined ? {} : { tokens }),
    ...{ host, port, allowed: allowLocation, defaults: options.default, overrides: options.override },
    onFailure: ({ method, path, status, reason }: ServerFailure): void => {
      process.stderr.write(`${new Date().toISOString()} ${status} ${method} ${path}: ${reason}\n`)
    },
  }
  await interruptible((signal) =>
    serveCatalog(config, settings, async ({ uri }) => {
      const who = tokens === undefined ? 'this machine only' : `${tokens.length} tokens`
      if (json === true) printJson({ uri, home: config.home, warehouse: config.warehouse, who })
      else {
        print(`catalog     ${uri}\nconfig      ${uri}/v1/config\nlake        ${config.home}`)
        print(`warehouse   ${config.warehouse}\nserves      ${who}\n\nCtrl-C stops it.`)
      }
      await aborted(signal)
    }),
  )
}

function property(text: string, before: Properties): Properties {
  const [key = '', ...value] = text.split('=')
  if (key === '' || value.length === 0) throw new InvalidArgumentError('Give key=value.')
  return { ...before, [key]: value.join('=') }
}

function portOption(text: string): number {
  const port = integerOption(text)
  if (port > 65_535) throw new InvalidArgumentError('Give a port from 0 to 65535.')
  return port
}

function readTokens(path: string): string {
  try {
    const { mode } = statSync(path)
    // Not on Windows, where every file seems to be everybody's.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      process.stderr.write(`others on this machine may use the tokens in ${path}: chmod 600 ${path}\n`)
    }
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new FirnError('config', `the tokens file ${path} can't be read: correct its path or permissions.`, {
      cause,
    })
  }
}
