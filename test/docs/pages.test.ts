import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { createProgram } from '../../cli/program.js'
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

test('commands and options that the pages name are there', () => {
  const lines = pages.filter(({ path }) => !path.startsWith('docs/api/')).flatMap(commandLines)
  expect(lines.length).toBeGreaterThan(150)
  expect(lines.flatMap(problemOf)).toEqual([])
  expect(problemOf('README.md: schedules missed quantum --rum')).toHaveLength(1)
  expect(problemOf('README.md: schedule list')).toHaveLength(1)
})

/** What stands behind `firn` in a page's blocks and code words. */
function commandLines({ path, text }: { readonly path: string; readonly text: string }): readonly string[] {
  const blocks = [...text.matchAll(/```\w*\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block.replaceAll('\\\n', ' ').split('\n'),
  )
  const inline = [...text.replace(/```[\s\S]*?```/g, '').matchAll(/`([^`]*)`/g)].map(([, code = '']) => code)
  return [...blocks, ...inline].flatMap((line) => {
    const [, words] = /^(?:\$ |npx )?(?:node bin\/firn\.mjs|firn) ([a-z-].*)$/.exec(line.trim()) ?? []
    return words === undefined ? [] : [`${path}: ${words.replace(/ +# .*| [|>&].*/, '')}`]
  })
}

const program = createProgram(false)

/** What of a command line, as a page writes it (with `[…]`, `<…>` and `…`), the program does not know. */
function problemOf(line: string): readonly string[] {
  const words = line
    .slice(line.indexOf(': ') + 2)
    .replace(/"[^"]*"|'[^']*'/g, 'TEXT')
    .split(/[\s[\]]+/)
  let command = program
  for (const word of words) {
    if (command.commands.length === 0 || !/^[a-z][a-z-]*$/.test(word)) break
    const next = command.commands.find((one) => one.name() === word)
    // A group such as `models` may also be a command of its own, with arguments.
    if (next === undefined && command.registeredArguments.length > 0) break
    if (next === undefined) return [`${line} (${word})`]
    command = next
  }
  const known = new Set(['--help', '--version', ...command.options.map(({ long }) => long)])
  const options = words.filter((word) => /^--[a-z]/.test(word)).map((word) => word.replace(/[=,;|].*/, ''))
  return options.filter((option) => !known.has(option)).map((option) => `${line} (${option})`)
}

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
