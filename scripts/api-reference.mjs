/**
 * A plug-in of TypeDoc: one Markdown page for each public module, its exports by folder, each with its docstring and its
 * declaration as the source has it, without bodies. Bound to `npm run docs:api` by typedoc.json.
 */
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '..')
const TITLES = {
  iceberg: 'Errors',
  engine: 'Engines and their sessions',
  catalog: 'Catalogs',
  evolve: 'Evolution',
  expr: 'Predicates',
  format: 'File formats',
  inspect: 'Metadata tables',
  io: 'Files and stores',
  maintain: 'Maintenance',
  scan: 'Scans',
  spec: 'Schemas, specs, snapshots',
  update: 'Updates of metadata',
  view: 'Views',
  write: 'Commits, branches, tags',
  duckdb: 'DuckDB',
  files: 'Local copies of files',
  table: 'Tables with rows',
}
const KINDS = ['function', 'class', 'const', 'interface', 'type']
const FIRST = ['table', 'catalog', 'write', 'scan', 'evolve', 'maintain', 'inspect']

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.outputs.addOutput('reference', async (out, project) => {
    const modules = (project.children ?? []).map((module) => ({
      name: module.name,
      folders: foldersOf((module.children ?? []).map((child) => entryOf(child, project))),
    }))
    const places = new Map()
    for (const { name: module, folders } of modules) {
      for (const { name, doc, path, anchor } of folders.flatMap(({ entries }) => entries)) {
        if (doc === '') app.logger.error(`${name} of ${path} has no docstring`)
        places.set(name, { module, anchor })
      }
    }
    await mkdir(out, { recursive: true })
    for (const module of modules) await writeFile(join(out, `${module.name}.md`), page(module, places))
  })
  app.outputs.setDefaultOutputName('reference')
}

/** Exports by the folder that declares them; within it functions first, then what they take and give. */
function foldersOf(entries) {
  const names = [...new Set(entries.map(({ folder }) => folder))]
  names.sort((a, b) => rank(FIRST, a) - rank(FIRST, b) || (a < b ? -1 : 1))
  const numberOf = new Map()
  return names.map((folder) => ({
    folder,
    entries: entries
      .filter((entry) => entry.folder === folder)
      .sort((a, b) => rank(KINDS, a.kind) - rank(KINDS, b.kind) || (a.name < b.name ? -1 : 1))
      .map((entry) => {
        // Headings that are equal but for case get a number.
        const plain = entry.name.toLowerCase()
        const before = numberOf.get(plain) ?? 0
        numberOf.set(plain, before + 1)
        return { ...entry, anchor: before === 0 ? plain : `${plain}-${before}` }
      }),
  }))
}

function page({ name: module, folders }, places) {
  const title = (folder) => TITLES[folder || module] ?? folder
  const index = folders.map(({ folder, entries }) => {
    const links = entries.map(({ name, anchor }) => `[${name}](#${anchor})`)
    return `- **${title(folder)}**: ${links.join(', ')}`
  })
  const sections = folders.flatMap(({ folder, entries }) => [
    `## ${title(folder)}`,
    ...entries.map((entry) => section(entry, module, places)),
  ])
  const head = `# firnlake/${module}\n\nMade from the docstrings by \`npm run docs:api\`; do not edit.`
  return `${[head, index.join('\n'), ...sections].join('\n\n')}\n`
}

function section({ name, doc, code }, module, places) {
  const words = new Set(code.replace(/\/\*\*[\s\S]*?\*\//g, '').match(/\b[A-Z]\w*\b/g))
  const links = [...words]
    .filter((word) => word !== name && places.has(word))
    .map((word) => {
      const place = places.get(word)
      return `[${word}](${place.module === module ? '' : `${place.module}.md`}#${place.anchor})`
    })
  const see = links.length === 0 ? [] : [`See ${links.join(', ')}.`]
  return [`### ${name}`, ...(doc === '' ? [] : [doc]), `\`\`\`ts\n${code}\n\`\`\``, ...see].join('\n\n')
}

/** Where an export is declared, its docstring and its declaration. */
function entryOf(reflection, project) {
  const { name } = reflection
  const path = relative(ROOT, resolve(ROOT, project.getSymbolIdFromReflection(reflection).fileName))
  const source = parse(join(ROOT, path))
  const nodes = source.statements.filter((statement) => declares(statement, name))
  const code = nodes.map((node) => declarationOf(node, source)).join('\n')
  return {
    name,
    path,
    folder: path.split('/').length > 2 ? path.split('/')[1] : '',
    kind: code.split(' ')[0],
    doc: nodes.map((node) => docOf(node, source)).find((text) => text !== '') ?? '',
    code,
  }
}

const rank = (order, word) => (order.indexOf(word) + order.length + 1) % (order.length + 1)

const sources = new Map()

function parse(path) {
  const known = sources.get(path)
  if (known !== undefined) return known
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true)
  sources.set(path, source)
  return source
}

function declares(statement, name) {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.some((one) => one.name.getText() === name)
  return statement.name?.text === name
}

/** The text of the docstring right above a node, its lines joined to paragraphs as they stand. */
function docOf(node, source) {
  const block = ts.getJSDocCommentsAndTags(node).find(ts.isJSDoc)
  if (block === undefined) return ''
  return block
    .getText(source)
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\*\s?/, '').trimEnd())
    .join('\n')
    .trim()
}

function declarationOf(node, source) {
  const text = (part) => part.getText(source)
  if (ts.isFunctionDeclaration(node)) return head(node, node.body, source)
  if (ts.isVariableStatement(node)) {
    const [one] = node.declarationList.declarations
    if (one.type !== undefined) return `const ${text(one.name)}: ${text(one.type)}`
    if (!ts.isArrowFunction(one.initializer)) return `const ${text(one.name)} = ${text(one.initializer)}`
    const signature = head(one.initializer, one.initializer.body, source).replace(/\s*=>$/, '')
    return `const ${text(one.name)}: ${signature.replace(/\): ([^)]*)$/, ') => $1')}`
  }
  if (!ts.isClassDeclaration(node)) return text(node).replace(/^export /, '')
  const members = node.members
    .filter((member) => isShown(member, node))
    .map((member) => memberOf(member, source))
  const [before] = text(node).split('{')
  return `${before.replace(/^export /, '').trimEnd()} {\n${members.join('\n')}\n}`
}

/** What implements an interface is said there, unless it has something of its own to say. */
function isShown(member, node) {
  if (member.name !== undefined && ts.isPrivateIdentifier(member.name)) return false
  const hidden = member.modifiers?.some((one) =>
    [ts.SyntaxKind.PrivateKeyword, ts.SyntaxKind.ProtectedKeyword].includes(one.kind),
  )
  if (hidden === true) return false
  const implementing = node.heritageClauses?.some(
    (clause) => clause.token === ts.SyntaxKind.ImplementsKeyword,
  )
  return (
    implementing !== true ||
    ts.isConstructorDeclaration(member) ||
    ts.getJSDocCommentsAndTags(member).length > 0
  )
}

function memberOf(member, source) {
  const doc = ts
    .getJSDocCommentsAndTags(member)
    .map((block) => `  ${block.getText(source)}\n`)
    .join('')
  return `${doc}  ${head(member, member.body, source)}`
}

/** A declaration up to its body. */
function head(node, body, source) {
  const all = node.getText(source)
  const upTo = body === undefined ? all.length : body.getStart(source) - node.getStart(source)
  return all
    .slice(0, upTo)
    .trimEnd()
    .replace(/^export /, '')
    .replace(/^async (?=function )/, '')
    .replace(/^async /, '')
}
