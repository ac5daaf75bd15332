import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that run for longer than half a minute where FIRN_TEST_FULL is set: whatever starts last is waited for alone. */
const LONGEST = [
  'workflows/kill',
  'workflows/backfill',
  'soak/iceberg',
  'soak/nights',
  'lake/rebuild-faults',
  'lake/build-parts',
  'soak/fuzz',
  'workflows/stream-source',
  'pipelines/quantum/tables',
  'lake/windows-long',
  'cli/night',
  'cli/lineage',
  'peers/spark-engine',
  'peers/golden-writes',
  'peers/stream-churn',
  'peers/golden-reads',
  'peers/services',
  'peers/soak-landing',
]

/**
 * The longest files first, then those of all projects mixed, each in vitest's own order: tests of workflows wait for a server
 * while the others compute.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const places = [...new Set(sorted.map((file) => file.project))].flatMap((project) => {
      const own = sorted.filter((file) => file.project === project)
      return own.map((file, at) => ({ file, place: rankOf(file) ?? LONGEST.length + at / own.length }))
    })
    return places.sort((a, b) => a.place - b.place).map(({ file }) => file)
  }
}

function rankOf({ moduleId }: TestSpecification): number | undefined {
  const rank = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
  return rank < 0 ? undefined : rank
}
