import { CommanderError } from 'commander'
import { describeFailure, type Failure } from './failure.js'
import { printJson } from './output.js'
import { createProgram } from './program.js'

/** Runs the command line; resolves to the exit code: 0 ok, 1 ran and failed, 2 usage, 3 crashed. */
export async function main(argv: readonly string[]): Promise<number> {
  const asJson = argv.includes('--json')
  try {
    await createProgram(asJson).parseAsync([...argv])
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const isUsage = error instanceof CommanderError
    const failure = isUsage ? usageFailure(error) : describeFailure(error)
    if (asJson) printJson({ error: failure })
    else if (!isUsage) process.stderr.write(`firn: ${failure.message}\n`)
    if (process.env['FIRN_DEBUG'] !== undefined) console.error(error)
    return failure.exitCode
  }
}

/** Commander has printed it already, but where JSON is asked for. */
function usageFailure(error: CommanderError): Failure {
  return { kind: 'usage', message: error.message.replace(/^error: /, ''), exitCode: 2 }
}

// `firn … | head` closes our output: what is left to say has no reader.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})
process.exitCode = await main(process.argv)
