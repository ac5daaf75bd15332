import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compiledEntry } from '../../engine/compiled-entry.js'

const readme = readFileSync(join(import.meta.dirname, '..', '..', 'iceberg', 'README.md'), 'utf8')
const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')

test('the example of the library’s README with rows runs as it stands', () => {
  const output = run(examples[0])
  expect(output).toContain("{ id: 4n, basis: 'STO3G' }")
  expect(output).toContain("{ id: 2n, basis: 'sto3g' }")
  expect(output).toContain("{ id: 2n, basis: '631g', energy: null }")
})

test('the example with files of another engine runs as it stands', () => {
  const output = run(examples[1])
  expect(output).toContain('lake/sto3g.parquet')
  expect(output).not.toContain('631g')
})

/** What an example prints, run by itself in an empty folder. */
function run(example = ''): string {
  const folder = mkdtempSync(join(tmpdir(), 'firn-readme-'))
  try {
    const code = ['iceberg', 'engine'].reduce(
      (text, part) => text.replace(`'firnlake/${part}'`, `'${compiledEntry(`${part}/index`).href}'`),
      example,
    )
    return execFileSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: folder,
      encoding: 'utf8',
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
