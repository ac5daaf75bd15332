#!/usr/bin/env node
// Packs a folder of VQE documents into pipelines/quantum/sample/runs.jsonl.gz: one line a document, sorted by name,
// {"name": "<file name>", "document": "<its text, verbatim>"}. The same folder gives the same bytes.
// Usage: node scripts/sample-data.mjs <folder>
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  console.error('Say which folder holds the documents: node scripts/sample-data.mjs <folder>')
  process.exit(2)
}
const target = join(dirname(fileURLToPath(import.meta.url)), '../pipelines/quantum/sample/runs.jsonl.gz')
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lines = names.map((name) => {
  const document = strictUtf8.decode(readFileSync(join(folder, name)))
  return JSON.stringify({ name, document }) + '\n'
})
const packed = gzipSync(lines.join(''), { level: 9 })
writeFileSync(target, packed)
console.log(`${names.length} documents, ${packed.length} bytes: ${target}`)
