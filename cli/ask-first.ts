import { createInterface } from 'node:readline/promises'
import { FirnError } from '../schemas/error.js'

/**
 * Asks on the terminal whether to go on; anything but yes means no. Throws `invalid-input` where nobody can be asked:
 * `what` says then what would have happened.
 */
export async function askFirst(question: string, what: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new FirnError(
      'invalid-input',
      `${what}, and nobody can be asked here: say --yes, or --dry-run to look first.`,
    )
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
  } finally {
    terminal.close()
  }
}
