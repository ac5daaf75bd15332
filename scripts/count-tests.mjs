#!/usr/bin/env node
// Sums up vitest's JSON reports for CI: prints every skipped and every failed test, then
// `N passed, N failed[, N skipped]`.
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const [failedSteps, ...reports] = process.argv.slice(2)
let [passed, failed, skipped] = [0, 0, 0]
const failures = []
for (const report of reports) {
  if (!existsSync(report)) {
    console.log(`no report at ${report}: its run did not finish`)
    failed += 1
    continue
  }
  const { testResults, numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'))
  passed += numPassedTests
  failed += numFailedTests
  for (const file of testResults) {
    if (file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed')) {
      failed += 1
      failures.push(`${relative('.', file.name)}: ${file.message}`)
    }
    for (const test of file.assertionResults.filter((test) => test.status === 'failed'))
      failures.push(`${relative('.', file.name)}: ${test.fullName}\n${test.failureMessages.join('\n')}`)
    for (const test of file.assertionResults.filter((test) => !['passed', 'failed'].includes(test.status))) {
      skipped += 1
      console.log(`skipped: ${test.fullName}`)
    }
  }
}
// Last, where a log that is cut short still has them.
for (const failure of failures) console.log(`!! ${failure.slice(0, 2_000)}\n`)
// A step that failed without a failing test (types, lint) still fails the run.
if (failed === 0) failed += Number(failedSteps)
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed === 0 ? 0 : 1)
