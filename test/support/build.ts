/** Threads and child processes run compiled code, so dist/ is brought up to date before any test. */
export async function setup(): Promise<void> {
  const script = new URL('../../scripts/build.mjs', import.meta.url).href
  const { build } = (await import(script)) as { build: () => Promise<string[]> }
  await build()
}
