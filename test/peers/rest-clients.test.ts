import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { startCatalogServer } from '../support/catalog-server.js'
import { peers, why } from './peer-process.js'

/** Goal: other engines work on a lake of ours through `firn catalog serve`, with a token. Each is started once. */
const home = mkdtempSync(join(tmpdir(), 'firn-rest-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
const TOKEN = 'lab-token-0123456789'

interface Seen {
  readonly pyiceberg: { readonly rows: readonly unknown[]; readonly snapshot: string }
  readonly spark?: unknown
}

test.skipIf(peers.python === null)(
  `PyIceberg and Spark create, change and read tables through the REST server${why('spark')}`,
  async () => {
    const tokens = join(home, 'tokens.json')
    writeFileSync(
      tokens,
      JSON.stringify([{ token: TOKEN, name: 'lab', grants: [{ namespace: 'lab', role: 'write' }] }]),
    )
    const server = await startCatalogServer(home, ['--tokens', tokens])
    try {
      const jars = peers.sparkJars === null ? [] : [peers.sparkJars.join()]
      const { stdout } = await promisify(execFile)(
        peers.python!,
        [join(import.meta.dirname, 'rest_clients.py'), server.uri, TOKEN, ...jars],
        { env: { ...process.env, PYSPARK_PYTHON: peers.python!, TZ: 'UTC' }, maxBuffer: 1 << 26 },
      )
      const seen = JSON.parse(stdout) as Seen
      expect(seen.pyiceberg).toMatchObject({
        namespace: { comment: 'x' },
        rows: [
          { id: 1, energy: 0.5, basis: null },
          { id: 4, energy: 2.5, basis: 'sto3g' },
        ],
        refs: ['main', 'v_1'],
        errors: ['TableAlreadyExistsError', 'NoSuchTableError', 'NamespaceNotEmptyError'],
      })
      if (peers.sparkJars === null) return
      expect(seen.spark).toEqual({
        rows: [
          [1, 0.5, null],
          [4, 9.5, 'sto3g'],
          [5, 0, 'new'],
        ],
        at: [[1], [4]],
        news: [['replaced']],
        view: [[4]],
        views: ['hot'],
      })
    } finally {
      expect(await server.stop()).toBe(0)
    }
  },
)
