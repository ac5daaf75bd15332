import type { Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
import { readConfig } from '../../workers/config.js'
import { hasLake, noLake, withLake } from '../lake.js'
import { printJson } from '../output.js'
import { printSnapshotLineage, printVersionLineage } from '../print-lineage.js'

interface Options {
  readonly table?: string
  readonly snapshot?: string
  readonly objects?: true
  readonly json?: true
}

export function addLineageCommand(program: Command): void {
  program
    .command('lineage')
    .description(
      'where a model version comes from, down to raw objects and offsets, and what it predicted; or what saw a table',
    )
    .argument('[uri]', 'models:/<name>/<version>, models:/<name>@<alias> or models:/<name>/latest')
    .option(
      '--table <name>',
      'instead: who wrote a table, which versions were trained on it, which scorings read it',
    )
    .option('--snapshot <id>', 'of that table, this snapshot alone')
    .option('--objects', 'list the raw objects')
    .option('--json', 'print everything')
    .action(lineage)
}

async function lineage(uri: string | undefined, options: Options): Promise<void> {
  const { table, snapshot } = options
  if ((uri === undefined) === (table === undefined)) throw oneOfBoth()
  if (table === undefined && snapshot !== undefined) throw oneOfBoth()
  const config = readConfig()
  if (!hasLake(config)) noLake(config)
  const { resolveModelUri } = await import('../../ml/registry/resolve-model-uri.js')
  const { traceVersion } = await import('../../ml/lineage/trace-version.js')
  const { traceSnapshot } = await import('../../ml/lineage/trace-snapshot.js')
  await withLake(async ({ deps, registry }) => {
    if (table !== undefined) {
      const asked = { table, ...(snapshot === undefined ? {} : { snapshot }) }
      const traced = await traceSnapshot(deps, registry, asked)
      if (options.json === true) printJson(traced)
      else printSnapshotLineage(traced)
      return
    }
    const traced = await traceVersion(deps, resolveModelUri(registry, uri ?? ''))
    if (options.json === true) printJson(traced)
    else printVersionLineage(traced, { objects: options.objects === true })
  })
}

function oneOfBoth(): FirnError {
  return new FirnError(
    'invalid-input',
    'name a version (`firn lineage models:/<name>/<version>`) or a table (`firn lineage --table <namespace.name>`, with --snapshot <id> for one of its snapshots).',
  )
}
