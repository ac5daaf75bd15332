/** Threads and child processes run compiled code, so dist/ is brought up to date before any test. */
export async function setup(): Promise<void> {
  const { build } = (await import('../../scripts/build.mjs')) as { build: () => Promise<string[]> }
  await build()
}
