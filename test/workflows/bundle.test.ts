import { readFileSync, statSync } from 'node:fs'
import { expect, it } from 'vitest'
import { refuseOtherSdk, workflowBundlePath } from '../../workers/workflow-bundle.js'

/** Packages whose code a bundle holds. */
function packagesIn(path: string): readonly string[] {
  const names = readFileSync(path, 'utf8').matchAll(/"\.\/node_modules\/((?:@[^/"]+\/)?[^/"]+)/g)
  return [...new Set([...names].map(([, name]) => name!))].sort()
}

it('workflows are bundled with the SDK and nothing heavy: no validator, no engine, no store, no module of Node', () => {
  const path = workflowBundlePath()
  expect(packagesIn(path)).toEqual(['@temporalio/common', '@temporalio/workflow', 'long', 'ms', 'nexus-rpc'])
  expect(readFileSync(path, 'utf8')).not.toMatch(/require\("(node:|fs|path|crypto|worker_threads)/)
  // A worker holds it once, and each cached workflow's context what it makes of it.
  expect(statSync(path).size).toBeLessThan(3_000_000)
})

it('a bundle of another SDK is refused, with both versions and what to do', () => {
  expect(() => refuseOtherSdk('1.23.0', '1.24.0')).toThrow(/1\.23\.0.*1\.24\.0.*npm ci/)
  expect(() => refuseOtherSdk('1.24.0', '1.24.0')).not.toThrow()
})
