#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const main = new URL('../dist/cli/main.js', import.meta.url)
if (!existsSync(fileURLToPath(main))) {
  console.error('firn is not built yet: run `npm run setup` in the repository first.')
  process.exit(3)
}
await import(main.href)
