/**
 * A plug-in of TypeDoc: one Markdown page for each public module, its exports by folder, each with its docstring and its
 * declaration as the source has it, without bodies. Bound to `npm run docs:api` by typedoc.json.
 */
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '..')
const TITLES = {
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
const FIRST = ['table', 'catalog', 'write', 'scan', 'evolve', 'maintain', 'inspect']

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.outputs.addOutput('reference', async (out, project) => {
    await mkdir(out, { recursive: true })
    const exported = new Map()
    for (const module of project.children ?? []) {
      for (const child of module.children ?? []) exported.set(child.name, module.name)
    }
    for (const module of project.children ?? []) {
      await writeFile(join(out, `${module.name}.md`), page(module, project, exported, app.logger))
    }
  })
  app.outputs.setDefaultOutputName('reference')
}

function page(module, project, exported, logger) {
  const folders = new Map()
  for (const child of module.children ?? []) {
    const entry = entryOf(child, project)
    if (entry.doc === '')
      logger.validationWarning(`${module.name}.${child.name} (${entry.path}) has no docstring`)
    const folder = entry.path.split('/').length > 2 ? entry.path.split('/')[1] : ''
    folders.set(folder, [...(folders.get(folder) ?? []), entry])
  }
  const order = [...folders.keys()].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
  const index = order.map(
    (folder) =>
      `- ${title(folder, module)}: ${folders
        .get(folder)
        .map(({ name }) => `[${name}](#${name.toLowerCase()})`)
        .join(', ')}`,
  )
  const sections = order.flatMap((folder) => [
    `## ${title(folder, module)}`,
    ...folders.get(folder).map((entry) => section(entry, module.name, exported)),
  ])
  const head = `# firnlake/${module.name}\n\nMade from the docstrings by \`npm run docs:api\`; do not edit.`
  return `${[head, index.join('\n'), ...sections].join('\n\n')}\n`
}

const rank = (folder) => (FIRST.indexOf(folder) + FIRST.length + 1) % (FIRST.length + 1)
const title = (folder, module) => TITLES[folder] ?? (folder === '' ? `All of ${module.name}` : folder)

function section({ name, doc, code }, module, exported) {
  const words = new Set(code.replace(/\/\*\*[\s\S]*?\*\//g, '').match(/\b[A-Za-z_]\w*\b/g))
  const links = [...exported.keys()]
    .filter((other) => other !== name && words.has(other))
    .map((other) => {
      const at = exported.get(other)
      return `[${other}](${at === module ? '' : `${at}.md`}#${other.toLowerCase()})`
    })
  const see = links.length === 0 ? [] : [`See ${links.join(', ')}.`]
  return [`### ${name}`, ...(doc === '' ? [] : [doc]), `\`\`\`ts\n${code}\n\`\`\``, ...see].join('\n\n')
}

/** Where an export is declared, its docstring and its declaration. */
function entryOf(reflection, project) {
  const { fileName } = project.getSymbolIdFromReflection(reflection)
  const path = relative(
    ROOT,
    join(ROOT, relative(ROOT, fileName.startsWith('/') ? fileName : join(ROOT, fileName))),
  )
  const source = parse(join(ROOT, path))
  const nodes = source.statements.filter((statement) => declares(statement, reflection.name))
  const doc = nodes.map((node) => docOf(node, source)).find((text) => text !== '') ?? ''
  return {
    name: reflection.name,
    path: path.split('\\').join('/'),
    doc,
    code: nodes.map((node) => declarationOf(node, source)).join('\n'),
  }
}

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
    return one.type === undefined
      ? `const ${text(one.name)} = ${text(one.initializer)}`
      : `const ${text(one.name)}: ${text(one.type)}`
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
