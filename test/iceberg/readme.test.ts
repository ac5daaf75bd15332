import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import { startCatalogServer } from '../support/catalog-server.js'

const readme = readFileSync(join(import.meta.dirname, '..', '..', 'iceberg', 'README.md'), 'utf8')
const sections = readme.split(/^## /m).slice(1)
/** Those of the guide go on from each other; the one for other engines stands alone. */
const alone = 'With another engine'
const TOKEN = 'lab-token-0123456789'

const folders: string[] = []
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })))

describe('the guide of the library’s README, run from top to bottom', () => {
  let printed: ReadonlyMap<string, string>

  beforeAll(async () => {
    const home = newFolder()
    const tokens = join(home, 'tokens.json')
    writeFileSync(
      tokens,
      JSON.stringify([{ token: TOKEN, name: 'lab', grants: [{ namespace: 'lab', role: 'write' }] }]),
    )
    const server = await startCatalogServer(home, ['--tokens', tokens])
    try {
      const parts = sections
        .filter((section) => titleOf(section) !== alone)
        .map((section) => [`console.log('== ${titleOf(section)}')`, ...examplesOf(section)].join('\n'))
      const code = parts.join('\n').replace('http://127.0.0.1:8181', server.uri)
      const output = await run(code, { folder: withHadoopTable(newFolder()), env: { LAKE_TOKEN: TOKEN } })
      printed = new Map(
        output
          .split(/^== /m)
          .map((part): [string, string] => [titleOf(part), part.slice(titleOf(part).length)]),
      )
    } finally {
      await server.stop()
    }
  })

  test.each<[string, readonly string[]]>([
    ['Ten lines', ["[ { id: 1n, basis: 'sto3g', energy: -1.1 } ]"]],
    [
      'Writing rows',
      [
        '1 1 [',
        "{ id: 2n, basis: 'sto3g', energy: -1 }",
        "basis: 'STO3G'",
        "{ id: 9n, basis: 'new', energy: -9.9 }",
      ],
    ],
    [
      'Time travel, branches, tags',
      ["{ id: 1n, basis: 'sto3g', energy: -1.1 }", "basis: '631g', energy: null }"],
    ],
    [
      'Evolution',
      ["{ id: 11n, molecule: 'HeH', basis: 'sto3g', ground_energy: -2.9 }", "basis: '631g', energy: null }"],
    ],
    ['Scans, differences, metadata tables', ["[ [ 1, 0, 'compare' ] ]", '2 2', '{ id_bucket_4: 3 } 1n']],
    ['Maintenance', ['{ id: 1n, basis: ', '{ id: 2n, basis: ']],
    [
      'Catalogs',
      ["[ { namespace: 'sales', name: 'orders' } ]", "[ { id: 1n, basis: 'sto3g', energy: -1.1 } ]"],
    ],
    ['S3', ["{ namespace: 'demo', name: 'runs' }"]],
  ])('%s', (title, expected) => {
    for (const text of expected) expect(printed.get(title)).toContain(text)
  })

  test('no section with an example is left out', () => {
    const shown = sections.filter((section) => examplesOf(section).length > 0).map(titleOf)
    expect(shown.filter((title) => title !== alone && (printed.get(title)?.trim() ?? '') === '')).toEqual([])
    expect(shown).toHaveLength(9)
  })
})

test('the example with files of another engine runs as it stands', async () => {
  const section = sections.find((one) => titleOf(one) === alone) ?? ''
  const output = await run(examplesOf(section).join('\n'), { folder: newFolder() })
  expect(output).toContain('lake/sto3g.parquet')
  expect(output).not.toContain('631g')
})

function titleOf(section: string): string {
  return section.split('\n')[0] ?? ''
}

function examplesOf(section: string): readonly string[] {
  return [...section.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'firn-readme-'))
  folders.push(folder)
  return folder
}

/** What Java's HadoopCatalog leaves of an empty table. */
function withHadoopTable(folder: string): string {
  const location = join(folder, 'old-lake', 'sales', 'orders')
  const fields = [{ id: 1, name: 'id', required: true, type: 'long' as const }]
  const metadata = newTableMetadata({
    ...{ uuid: '00000000-0000-4000-8000-000000000001', location, properties: {}, now: 1 },
    schema: { type: 'struct', 'schema-id': 0, fields },
  })
  mkdirSync(join(location, 'metadata'), { recursive: true })
  writeFileSync(join(location, 'metadata', 'v1.metadata.json'), serializeTableMetadata(metadata))
  return folder
}

/** What an example prints. */
async function run(
  example: string,
  { folder, env = {} }: { readonly folder: string; readonly env?: Readonly<Record<string, string>> },
): Promise<string> {
  const code = ['iceberg', 'engine'].reduce(
    (text, part) => text.replaceAll(`'firnlake/${part}'`, `'${compiledEntry(`${part}/index`).href}'`),
    example,
  )
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
    cwd: folder,
    env: { ...process.env, ...env },
  })
  return stdout
}
