import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * URL of a compiled module that runs in a thread or process of its own, e.g. `lake/land/parse-thread`. Threads load
 * JavaScript only, so where this code runs from its TypeScript sources (tests) the twin in `dist/` is taken.
 */
export function compiledEntry(module: string): URL {
  const root = packageRoot()
  return pathToFileURL(join(root, 'dist', `${module}.js`))
}

/** Folder that holds package.json: of the clone, or of the installed package. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}
