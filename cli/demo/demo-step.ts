import { followWorkflow } from '../follow-workflow.js'
import { startProgress } from '../progress.js'
import type { OwnServerSession } from '../own-server.js'

export interface DemoWork {
  readonly title: string
  readonly workflow: string
  readonly workflowId: string
  readonly input: object
}

/** Runs one workflow, with a line of progress. */
export type DemoStep = <Result>(work: DemoWork) => Promise<Result>

export function demoStep({ client, address }: OwnServerSession, signal: AbortSignal): DemoStep {
  return async <Result>({ title, ...start }: DemoWork): Promise<Result> => {
    const progress = startProgress(title)
    try {
      const following = { client, address, progress, signal, ownServer: true }
      const result = await followWorkflow<Result>({ ...start, summary: title }, following)
      progress.done()
      return result
    } catch (error) {
      progress.failed()
      throw error
    }
  }
}
