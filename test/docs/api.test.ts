import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

test('the API reference is what `npm run docs:api` makes of the docstrings, and nothing exported lacks one', () => {
  const made = mkdtempSync(join(tmpdir(), 'firn-api-'))
  try {
    // Ends with an error where an export has no docstring, or names a type that is not exported.
    execFileSync(process.execPath, [join(root, 'node_modules/typedoc/bin/typedoc'), '--out', made], {
      cwd: root,
      stdio: 'pipe',
      encoding: 'utf8',
    })
    expect(pages(join(root, 'docs', 'api'))).toEqual(pages(made))
  } finally {
    rmSync(made, { recursive: true })
  }
}, 300_000)

function pages(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  )
}
