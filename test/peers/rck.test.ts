import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { startCatalogServer } from '../support/catalog-server.js'
import { peers } from './peer-process.js'

/**
 * Goal: `firn catalog serve` behaves as Apache's own server. Method: Apache's REST Compatibility Kit 1.10.0, which drives
 * Java's client through 148 tests, against the real process. Apache's server skips nine; ours skips eight of those, since it
 * also refuses tables in namespaces that were never made.
 */
const home = mkdtempSync(join(tmpdir(), 'firn-rck-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** Names with dots, the empty namespace, and namespaces below each other, which the kit never switches on. */
const SKIPPED = [
  'createAndDropEmptyNamespace',
  'listNamespacesWithEmptyNamespace',
  'listTablesInEmptyNamespace',
  'listViewsInEmptyNamespace',
  'namespacePropertiesOnEmptyNamespace',
  'testListNestedNamespaces',
  'testNamespaceWithDot',
  'testTableNameWithDot',
]

const reason = peers.missing['rck']

test.skipIf(reason !== undefined)(
  `Apache's REST Compatibility Kit 1.10.0 passes${reason === undefined ? '' : ` [${reason}]`}`,
  async () => {
    // The kit asks for tables under file:/tmp.
    const server = await startCatalogServer(home, ['--allow-location', 'file:///tmp'])
    try {
      const results = await runKit(server.uri)
      expect(
        results.filter((one) => one.outcome === 'failed').map((one) => `${one.name}: ${one.message}`),
      ).toEqual([])
      expect(results).toHaveLength(148)
      expect(results.filter((one) => one.outcome === 'skipped').map((one) => one.name)).toEqual(SKIPPED)
    } finally {
      expect(await server.stop()).toBe(0)
    }
  },
)

interface Result {
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly message: string
}

async function runKit(uri: string): Promise<readonly Result[]> {
  const folder = join(home, 'kit')
  mkdirSync(folder)
  copyFileSync(join(import.meta.dirname, 'rck', 'pom.xml'), join(folder, 'pom.xml'))
  const kit = spawn('mvn', ['-q', '-B', 'test', `-Dcatalog.uri=${uri}`], { cwd: folder })
  let output = ''
  for (const stream of [kit.stdout, kit.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise((resolve, reject) => kit.once('error', reject).once('close', resolve))
  // Failing tests are told by their reports, which a kit that could not run does not leave.
  if (code !== 0) throw new Error(`mvn ended with ${String(code)}: ${output.slice(-2000)}`)
  const reports = join(folder, 'target', 'surefire-reports')
  return readdirSync(reports)
    .filter((name) => name.endsWith('.xml'))
    .flatMap((name) => parseReport(readFileSync(join(reports, name), 'utf8')))
    .sort((left, right) => (left.name < right.name ? -1 : 1))
}

/** Surefire's XML: a `testcase` each, with `failure`, `error` or `skipped` inside. */
function parseReport(xml: string): Result[] {
  return [...xml.matchAll(/<testcase\s([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, attributes = '', inside = '']) => {
      const name = /\bname="([^"]*)"/.exec(attributes)?.[1] ?? ''
      const failed = /<(?:failure|error)\b(?:[^>]*?message="([^"]*)")?/.exec(inside)
      const outcome = failed !== null ? 'failed' : /<skipped\b/.test(inside) ? 'skipped' : 'passed'
      return { name, outcome, message: failed?.[1] ?? '' }
    },
  )
}
