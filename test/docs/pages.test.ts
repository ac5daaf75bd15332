import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { parseTokens } from '../../server/catalog/access.js'

const root = join(import.meta.dirname, '..', '..')
const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'iceberg/README.md'],
  ...['docs', 'docs/decisions', 'docs/api'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

test.each(pages)('$path links to what is there', ({ path, text }) => {
  const prose = text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '')
  const missing = [...prose.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? path : relative(root, join(root, dirname(path), file))
    if (!existsSync(join(root, target))) return [link]
    return anchor === undefined || anchorsOf(target).has(anchor) ? [] : [link]
  })
  expect(missing).toEqual([])
})

test('every decision is in the list of decisions', () => {
  const list = readFileSync(join(root, 'docs/decisions/README.md'), 'utf8')
  const decisions = readdirSync(join(root, 'docs/decisions')).filter((name) => /^\d{4}-/.test(name))
  expect(decisions.length).toBeGreaterThan(6)
  expect(decisions.filter((name) => !list.includes(`(${name})`))).toEqual([])
})

test('the tokens of docs/other-engines.md are such as the server takes', () => {
  const text = readFileSync(join(root, 'docs/other-engines.md'), 'utf8')
  const example = /```json\n([\s\S]*?)```/.exec(text)?.[1] ?? ''
  const tokens = parseTokens(
    example.replace(/"sha256": "[^"]*"/, `"sha256": "${'0a'.repeat(32)}"`),
    'the page',
  )
  expect(tokens.map(({ name }) => name)).toEqual(['nightly', 'lab'])
})

const knownAnchors = new Map<string, ReadonlySet<string>>()

/** Anchors as Git hosts make them of headings. */
function anchorsOf(path: string): ReadonlySet<string> {
  const known = knownAnchors.get(path)
  if (known !== undefined) return known
  const anchors = new Set<string>()
  const seen = new Map<string, number>()
  const text = readFileSync(join(root, path), 'utf8').replace(/```[\s\S]*?```/g, '')
  for (const [, title = ''] of text.matchAll(/^#+ (.*)$/gm)) {
    const plain = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
    const before = seen.get(plain) ?? 0
    seen.set(plain, before + 1)
    anchors.add(before === 0 ? plain : `${plain}-${before}`)
  }
  knownAnchors.set(path, anchors)
  return anchors
}
