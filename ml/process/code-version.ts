import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Where this code itself lies, wherever the process was started. */
const OWN = fileURLToPath(new URL('.', import.meta.url))

/** Git commit of the code in a folder, with `-dirty` where tracked files were changed; undefined outside a repository. */
export async function codeVersion(folder = OWN): Promise<string | undefined> {
  const git = async (...args: readonly string[]): Promise<string> =>
    (await promisify(execFile)('git', ['-C', folder, ...args], { timeout: 5000 })).stdout.trim()
  try {
    const [commit, changes] = await Promise.all([
      git('rev-parse', 'HEAD'),
      // Without locks: a commit that somebody makes meanwhile is not in its way.
      git('--no-optional-locks', 'status', '--porcelain', '--untracked-files=no'),
    ])
    return changes === '' ? commit : `${commit}-dirty`
  } catch {
    return undefined
  }
}
