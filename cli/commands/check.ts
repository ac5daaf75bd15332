import type { Command } from 'commander'
import { pipelineNamed, withLake } from '../lake.js'
import { print, printJson } from '../output.js'

export function addCheckCommand(program: Command): void {
  program
    .command('check')
    .description(
      'check definitions before anything runs: names, types, SQL, keys, cycles, unordered float sums',
    )
    .argument('[pipeline]', 'default: all')
    .option('--json', 'print [{pipeline, problems}]')
    .action(async (name: string | undefined, options: { json?: true }) => {
      const { checkPipeline } = await import('../../lake/define/check-pipeline.js')
      await withLake(async (lake) => {
        const pipelines =
          name === undefined ? [...lake.deps.pipelines.values()] : [pipelineNamed(lake.deps.pipelines, name)]
        const results = []
        for (const pipeline of pipelines)
          results.push({ pipeline: pipeline.name, problems: await checkPipeline(pipeline, lake.deps.engine) })
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
