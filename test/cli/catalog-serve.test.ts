import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { startCatalogServer } from '../support/catalog-server.js'
import { runFirn } from '../support/run-firn.js'

const home = mkdtempSync(join(tmpdir(), 'firn-serve-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

it.each(['SIGTERM', 'SIGINT'] as const)(
  'serves the catalog of the lake and ends well on %s',
  async (signal) => {
    const server = await startCatalogServer(home)
    expect(server.uri).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(server.warehouse).toBe(`file://${home}/warehouse`)
    const config = await fetch(`${server.uri}/v1/config`)
    expect(await config.json()).toMatchObject({ defaults: {}, overrides: {} })
    expect(await server.stop(signal)).toBe(0)
  },
)

it('tells clients the settings that it was given', async () => {
  const server = await startCatalogServer(home, [
    ...['--default', 's3.endpoint=http://127.0.0.1:9000/?a=b', '--default', 's3.region=eu-west-1'],
    ...['--override', 's3.path-style-access=true'],
  ])
  const config = await fetch(`${server.uri}/v1/config`)
  expect(await config.json()).toMatchObject({
    defaults: { 's3.endpoint': 'http://127.0.0.1:9000/?a=b', 's3.region': 'eu-west-1' },
    overrides: { 's3.path-style-access': 'true' },
  })
  await server.stop()
  const bad = await runFirn(['catalog', 'serve', '--default', 'nothing'], { home })
  expect(bad).toMatchObject({ code: 2, stderr: expect.stringContaining('key=value') as string })
})

it('refuses to serve other machines without tokens, and tokens that are none', async () => {
  const open = await runFirn(['catalog', 'serve', '--port', '0', '--host', '0.0.0.0'], { home })
  expect(open).toMatchObject({ code: 2, stderr: expect.stringContaining('give a tokens file') as string })
  const tokens = join(home, 'tokens.json')
  writeFileSync(tokens, '[{"token":"secret-secret-secret"}]', { mode: 0o644 })
  const bad = await runFirn(['catalog', 'serve', '--tokens', tokens, '--json'], { home })
  expect(bad.code).toBe(2)
  expect(JSON.parse(bad.stdout)).toMatchObject({ error: { kind: 'invalid-argument' } })
  expect(bad.stdout).not.toContain('secret-secret')
  expect(bad.stderr).toContain(`chmod 600 ${tokens}`)
  const port = await runFirn(['catalog', 'serve', '--port', '65536'], { home })
  expect(port).toMatchObject({ code: 2, stderr: expect.stringContaining('from 0 to 65535') as string })
})

it('says so where its port is taken', async () => {
  const server = await startCatalogServer(home)
  const port = new URL(server.uri).port
  const second = await runFirn(['catalog', 'serve', '--port', port], { home })
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('choose another port') as string })
  await server.stop()
})
