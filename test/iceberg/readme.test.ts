import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compiledEntry } from '../../engine/compiled-entry.js'

test('the example of the library’s README runs as it stands', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', '..', 'iceberg', 'README.md'), 'utf8')
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'firn-readme-'))
  try {
    const code = example.replace("'firnlake/iceberg'", `'${compiledEntry('iceberg/index').href}'`)
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(output).toContain('lake/sto3g.parquet')
    expect(output).not.toContain('631g')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
