import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.js'

/** `npm test` runs `fast` and `workflows`; `npm run test:peers` runs `peers`, after its set-up. */
export default defineConfig({
  test: {
    globalSetup: ['test/support/build.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/workflows/**', 'test/peers/**'],
        },
      },
      { extends: true, test: { name: 'workflows', include: ['test/workflows/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'peers',
          include: ['test/peers/**/*.test.ts'],
          testTimeout: 600_000,
          // Java's programs here live for a minute: compiling for longer takes more time than it gives back.
          env: { JDK_JAVA_OPTIONS: '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' },
        },
      },
    ],
  },
})
