import { existsSync } from 'node:fs'
import { readdir, readFile, realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../engine/compiled-entry.js'
import { FirnError } from '../../schemas/error.js'
import type { Pipeline, PipelineDefinition } from '../../schemas/pipeline.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import { definePipeline, namespaceOf } from './define-pipeline.js'
import { ownSparkSql } from './own-spark-sql.js'

/** Reads a pipeline from its folder: the default export of pipeline.js, .mjs or .ts, and its SQL files. */
export async function loadPipeline(directory: string): Promise<Pipeline> {
  const folder = resolve(directory)
  const module = moduleOf(folder)
  if (module === undefined) {
    throw new FirnError(
      'config',
      `${folder} has no pipeline.js or pipeline.mjs; a pipeline.ts has to be compiled beside itself (or to run on a ` +
        'Node that reads TypeScript)',
    )
  }
  const definition = definePipeline(await importDefinition(module))
  return {
    ...definition,
    namespace: namespaceOf(definition),
    directory: folder,
    sqlTexts: await readSqlFiles(folder, definition),
  }
}

/** Firn's own pipelines and those of further folders, by name. A folder holds one pipeline, or folders that hold one each. */
export async function loadPipelines(
  directories: readonly string[] = [],
): Promise<ReadonlyMap<string, Pipeline>> {
  const pipelines = new Map<string, Pipeline>()
  for (const directory of [builtInDirectory(), ...directories]) {
    for (const folder of await pipelineFolders(resolve(directory))) {
      const pipeline = await loadPipeline(folder)
      for (const other of pipelines.values()) assertApart(pipeline, other)
      pipelines.set(pipeline.name, pipeline)
    }
  }
  return pipelines
}

/** The compiled pipelines, since Node runs JavaScript. */
function builtInDirectory(): string {
  return join(packageRoot(), 'dist', 'pipelines')
}

async function pipelineFolders(directory: string): Promise<readonly string[]> {
  if (moduleOf(directory) !== undefined) return [directory]
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name))
    return folders.filter((folder) => moduleOf(folder) !== undefined).sort()
  } catch (error) {
    throw new FirnError('config', `pipelines folder ${directory} can't be read; check FIRN_PIPELINES`, {
      cause: error,
    })
  }
}

/** Undefined where the folder holds no pipeline that can be run. */
function moduleOf(folder: string): string | undefined {
  const written = ['pipeline.js', 'pipeline.mjs']
    .map((name) => join(folder, name))
    .find((file) => existsSync(file))
  if (written !== undefined) return written
  const source = join(folder, 'pipeline.ts')
  if (!existsSync(source)) return undefined
  const inPackage = relative(packageRoot(), folder)
  const twin = join(packageRoot(), 'dist', inPackage, 'pipeline.js')
  if (!inPackage.startsWith('..') && !isAbsolute(inPackage) && existsSync(twin)) return twin
  return 'typescript' in process.features && process.features.typescript !== false ? source : undefined
}

async function importDefinition(module: string): Promise<PipelineDefinition> {
  try {
    const { default: definition } = (await import(pathToFileURL(module).href)) as {
      default?: PipelineDefinition
    }
    if (definition !== undefined) return definition
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new FirnError('config', `${module} can't be loaded: ${why}`, { cause: error })
  }
  throw new FirnError(
    'config',
    `${module} has no default export; write \`export default definePipeline({ … })\``,
  )
}

async function readSqlFiles(folder: string, definition: PipelineDefinition): Promise<Pipeline['sqlTexts']> {
  const tables = Object.values(definition.tables).flatMap((table) =>
    table.sql === undefined ? [] : [table.sql],
  )
  const views = [
    ...Object.values(definition.featureViews ?? {}),
    ...Object.values(definition.labelViews ?? {}),
  ].flatMap((view) => ('sql' in view ? [view.sql] : []))
  const forSpark = tables.map(ownSparkSql).filter((path) => existsSync(join(folder, path)))
  const paths = [...new Set([...tables, ...forSpark, ...views])].sort()
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await readSqlFile(folder, path)] as const)),
  )
}

/** Links are followed, but not out of the folder. */
async function readSqlFile(folder: string, path: string): Promise<string> {
  try {
    const [root, file] = await Promise.all([realpath(folder), realpath(join(folder, path))])
    if (file.startsWith(root + sep)) return (await readFile(file, 'utf8')).replaceAll('\r\n', '\n')
  } catch (error) {
    throw new FirnError('config', `SQL file ${path} of the pipeline in ${folder} can't be read`, {
      cause: error,
    })
  }
  throw new FirnError('config', `SQL file ${path} leads out of the pipeline's folder ${folder}`)
}

/** Pipelines share no namespace, no model's name, and a source's name means one source: its ledger is raw.<source>. */
function assertApart(pipeline: Pipeline, other: Pipeline): void {
  const what = `pipelines ${other.name} (${other.directory}) and ${pipeline.name} (${pipeline.directory})`
  if (pipeline.name === other.name) throw new FirnError('config', `${what} have one name; rename one`)
  if (pipeline.namespace === other.namespace) {
    throw new FirnError(
      'config',
      `${what} share the namespace ${pipeline.namespace}; give one another namespace`,
    )
  }
  const model = Object.keys(pipeline.models ?? {}).find((name) => Object.hasOwn(other.models ?? {}, name))
  if (model !== undefined) {
    throw new FirnError(
      'config',
      `${what} both have a model ${model}, and a model's name is one over all pipelines (models:/${model}/1); rename one`,
    )
  }
  for (const [name, source] of Object.entries(pipeline.sources)) {
    const same = other.sources[name]
    if (same !== undefined && canonicalJson(same) !== canonicalJson(source)) {
      throw new FirnError(
        'config',
        `${what} declare source ${name} differently; rename one, or share its definition`,
      )
    }
  }
}
