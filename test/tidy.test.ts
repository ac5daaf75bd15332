import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')

/** What a folder may import: itself and these. `types` folders may be imported for their types only. */
const LAYERS: Record<string, { readonly may: readonly string[]; readonly types?: readonly string[] }> = {
  iceberg: { may: [] },
  engine: { may: ['iceberg'] },
  schemas: { may: [], types: ['iceberg', 'engine'] },
  lake: { may: ['iceberg', 'engine', 'schemas'] },
  ml: { may: ['iceberg', 'engine', 'schemas'] },
  pipelines: { may: ['index.ts', 'schemas'] },
  activities: { may: ['iceberg', 'engine', 'schemas', 'lake', 'ml'] },
  workflows: { may: ['schemas'], types: ['activities'] },
  workers: { may: ['iceberg', 'engine', 'schemas', 'lake', 'ml', 'activities', 'workflows', 'server'] },
  server: { may: ['iceberg', 'schemas'] },
  cli: { may: ['iceberg', 'engine', 'schemas', 'lake', 'ml', 'workers', 'workflows', 'pipelines', 'server'] },
}
/** What parses texts shared by several layers and therefore needs a little of the layer it serves. */
const EXCEPTIONS = new Set(['schemas/table-schema.ts -> iceberg'])

const FILE_LINES_MAX = 500
const FUNCTION_LINES_MAX = 70
const BANNED: readonly (readonly [RegExp, string])[] = [
  [/\b(TODO|FIXME|XXX|HACK)\b/, 'finish it or open an issue'],
  [/\/work\/|\/farm\//, 'no path of one machine'],
  [
    /registry\.npmjs|pypi\.org|repo1\.maven|proxy\.golang|crates\.io\/api|deb\.debian/,
    'no registry host names',
  ],
  [/@ts-ignore|@ts-nocheck|: any\b|\bas any\b/, 'type it'],
  [/\bwhitelist\b|\bblacklist\b/i, 'allow list, deny list'],
]

const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)))
const sources = tracked.filter((path) => /\.(ts|tsx)$/.test(path) && !path.startsWith('test/golden/'))
const layered = sources.filter((path) => layerOf(path) in LAYERS)
const parsed = new Map(sources.map((path) => [path, parse(path)]))

describe('the house rules', () => {
  test('a layer imports only what lies below it', () => {
    const wrong = layered.flatMap((path) =>
      imports(path).flatMap(({ target, typeOnly }) => {
        const from = layerOf(path)
        const to = layerOf(target)
        const rule = LAYERS[from]!
        if (to === from || rule.may.includes(to) || (typeOnly && rule.types?.includes(to))) return []
        if (EXCEPTIONS.has(`${path} -> ${to}`)) return []
        return [`${path} imports ${target}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  test('no two files import each other, however long the way round', () => {
    const graph = new Map(
      layered.map((path) => [
        path,
        imports(path)
          .filter((i) => !i.typeOnly)
          .map((i) => i.target),
      ]),
    )
    expect(cyclesOf(graph)).toEqual([])
  })

  test(`files stay under ${FILE_LINES_MAX} lines`, () => {
    const long = sources.filter(
      (path) => readFileSync(join(root, path), 'utf8').split('\n').length > FILE_LINES_MAX + 1,
    )
    expect(long).toEqual([])
  })

  test(`functions stay under ${FUNCTION_LINES_MAX} lines outside tests`, () => {
    expect(layered.flatMap((path) => longFunctions(path))).toEqual([])
  })

  test('banned words are absent', () => {
    const found = tracked
      .filter(
        (path) =>
          /\.(ts|tsx|mjs|js|sql|md|yaml|json|sh|py)$/.test(path) &&
          !/package-lock|test\/tidy|compose-spec/.test(path),
      )
      .flatMap((path) => {
        const lines = readFileSync(join(root, path), 'utf8').split('\n')
        return lines.flatMap((line, i) =>
          BANNED.filter(([word]) => word.test(line)).map(
            ([, instead]) => `${path}:${i + 1} ${line.trim().slice(0, 80)} (${instead})`,
          ),
        )
      })
    expect(found).toEqual([])
  })

  test('folders have names of their own', () => {
    const vague = tracked.filter(
      (path) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.ts$)/.test(path) && !path.startsWith('test/'),
    )
    expect(vague).toEqual([])
  })

  test('the lock file names no addresses', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"')
  })

  test('no tracked file is above 8 MB', () => {
    expect(tracked.filter((path) => statSync(join(root, path)).size > 8 * 1024 * 1024)).toEqual([])
  })
})

function layerOf(path: string): string {
  return path.split('/')[0]!
}

function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.ES2022, true)
}

/** Relative imports and re-exports of a file, as repository paths. */
function imports(path: string): { readonly target: string; readonly typeOnly: boolean }[] {
  return parsed.get(path)!.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return []
    const specifier = statement.moduleSpecifier
    if (specifier === undefined || !ts.isStringLiteral(specifier) || !specifier.text.startsWith('.'))
      return []
    const target = normalize(join(dirname(path), specifier.text)).replace(/\.js$/, '.ts')
    const typeOnly = ts.isImportDeclaration(statement)
      ? statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword ||
        onlyTypes(statement.importClause)
      : statement.isTypeOnly
    return [{ target, typeOnly }]
  })
}

function onlyTypes(clause: ts.ImportClause | undefined): boolean {
  const bindings = clause?.namedBindings
  if (
    clause === undefined ||
    clause.name !== undefined ||
    bindings === undefined ||
    !ts.isNamedImports(bindings)
  )
    return false
  return bindings.elements.length > 0 && bindings.elements.every((element) => element.isTypeOnly)
}

function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      return
    }
    state.set(path, 'open')
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of graph.keys()) visit(path, [])
  return cycles
}

function longFunctions(path: string): string[] {
  const source = parsed.get(path)!
  const long: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const first = source.getLineAndCharacterOfPosition(node.getStart()).line
      const last = source.getLineAndCharacterOfPosition(node.end).line
      if (last - first + 1 > FUNCTION_LINES_MAX)
        long.push(`${path}:${first + 1} has ${last - first + 1} lines`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return long
}
