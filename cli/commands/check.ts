import { Option, type Command } from 'commander'
import { pipelineNamed, withLake } from '../lake.js'
import { print, printJson } from '../output.js'

export function addCheckCommand(program: Command): void {
  program
    .command('check')
    .description(
      'check definitions before anything runs: names, types, SQL, keys, cycles, unordered float sums',
    )
    .argument('[pipeline]', 'default: all')
    .addOption(
      new Option(
        '--engine <name>',
        'also whether that engine can build the tables: spark translates and tries them',
      ).choices(['duckdb', 'spark']),
    )
    .option('--json', 'print [{pipeline, problems}]')
    .action(async (name: string | undefined, options: { engine?: 'duckdb' | 'spark'; json?: true }) => {
      const { checkPipeline } = await import('../../lake/define/check-pipeline.js')
      const { checkOnSpark } = await import('../../lake/spark/check-on-spark.js')
      await withLake(async (lake) => {
        const pipelines =
          name === undefined ? [...lake.deps.pipelines.values()] : [pipelineNamed(lake.deps.pipelines, name)]
        const results = []
        for (const pipeline of pipelines) {
          const problems = await checkPipeline(pipeline, lake.deps.engine)
          // What no engine can run needs no second opinion.
          const onSpark = options.engine === 'spark' && problems.length === 0
          results.push({
            pipeline: pipeline.name,
            problems: onSpark ? await checkOnSpark(lake.deps, pipeline) : problems,
          })
        }
        if (results.some(({ problems }) => problems.length > 0)) process.exitCode = 1
        if (options.json === true) {
          printJson(results)
          return
        }
        for (const { pipeline, problems } of results) {
          print(
            problems.length === 0
              ? `✓ ${pipeline}: no problems`
              : `✗ ${pipeline}: ${problems.length} problems`,
          )
          for (const problem of problems) print(`  ${problem.where}: ${problem.message}`)
        }
      })
    })
}
