import type { Command } from 'commander'
import { hasLake, noLake, withLake } from '../lake.js'
import { interruptible } from '../interruption.js'
import { formatBytes, print, printJson } from '../output.js'
import { startProgress } from '../progress.js'
import { readConfig } from '../../workers/config.js'

interface Options {
  readonly data?: true
  readonly json?: true
}

export function addBackupCommand(program: Command): void {
  program
    .command('backup')
    .description('back the lake up while it is used: databases, positions, the list of all files')
    .argument('<place>', 'a local folder or s3://bucket/prefix; a second backup into it copies what is new')
    .option('--data', 'copy the files as well')
    .option(
      '--json',
      'print {format, id, takenAt, warehouse, catalog, withData, files, bytes, tables, positions}',
    )
    .action(backup)
}

async function backup(name: string, options: Options): Promise<void> {
  const config = readConfig()
  if (!hasLake(config)) noLake(config)
  const { runBackup } = await import('../../lake/backup/run-backup.js')
  const { withBackupPlace } = await import('../../workers/backup-place.js')
  const { backedVersions } = await import('../../ml/registry/backed-versions.js')
  const progress = startProgress('back up')
  try {
    const header = await withLake(({ deps }) =>
      interruptible((signal) =>
        withBackupPlace(config, name, (place) =>
          runBackup(
            deps,
            {
              ...(config.catalogServer === undefined
                ? { catalogPath: config.catalogPath }
                : { catalogServer: config.catalogServer.uri }),
              registry: { path: config.registryPath, read: backedVersions },
            },
            { place, data: options.data === true },
            { signal, onProgress: (text) => progress.update(text) },
          ),
        ),
      ),
    )
    progress.done()
    if (options.json === true) printJson(header)
    else {
      print(
        `backed up ${header.tables.length} tables with ${header.files} files of ${formatBytes(header.bytes)} into ${name}`,
      )
      if (!header.withData) print('the files themselves are not in it: --data copies them')
      if (header.catalog.kind === 'rest') {
        print(
          `the catalog is the server's at ${header.catalog.uri}: back its database up with the server's own means; ` +
            'backup.json says where each table stands',
        )
      }
    }
  } catch (error) {
    progress.failed()
    throw error
  }
}
