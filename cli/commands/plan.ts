import type { Command } from 'commander'
import { batchIdOf } from '../../schemas/batch.js'
import { changeText } from '../../lake/define/compare-definitions.js'
import type { DefinitionChange } from '../../schemas/definition-change.js'
import { pipelineNamed, withLake } from '../lake.js'
import { print, printJson } from '../output.js'

export function addPlanCommand(program: Command): void {
  program
    .command('plan')
    .description('say what the next build would do, and change nothing')
    .argument('<pipeline>')
    .option('--batch <id>', 'batch id (default: now)')
    .option('--json', 'print the plan as JSON')
    .action(async (name: string, options: { batch?: string; json?: true }) => {
      const { planBuild } = await import('../../lake/features/plan-build.js')
      await withLake(async (lake) => {
        const { name: pipeline } = pipelineNamed(lake.deps.pipelines, name)
        const batch = options.batch ?? batchIdOf(new Date())
        const plan = await planBuild(lake.deps, { pipeline, batch }, { dryRun: true })
        if (options.json === true) {
          printJson(plan)
          return
        }
        if (plan.kind !== 'already-published' && plan.change !== undefined) printChange(name, plan.change)
        if (plan.kind === 'nothing-new') {
          print(`nothing new since ledger row ${plan.inputTo}: a build would write nothing`)
          return
        }
        if (plan.kind === 'already-published') {
          print(`batch ${plan.result.batch} is published already, tag ${plan.result.tag}`)
          return
        }
        if (plan.kind === 'rebuild-first') return
        print(`batch ${plan.batch}: ledger rows ${plan.inputFrom} to ${plan.inputTo - 1}, tag ${plan.tag}`)
        for (const [i, group] of plan.groups.entries()) print(`  ${i + 1}. build ${group.join(', ')}`)
        print(`  ${plan.groups.length + 1}. check\n  ${plan.groups.length + 2}. publish in one transaction`)
      })
    })
}

function printChange(pipeline: string, change: DefinitionChange): void {
  print(`! the definition has changed since batch ${change.since}: ${changeText(change)}`)
  print(`  firn build ${pipeline} --on-change forward   published rows stay as they are`)
  print(`  firn build ${pipeline} --on-change rebuild   all published batches are computed again first`)
}
