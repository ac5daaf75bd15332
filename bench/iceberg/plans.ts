import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { eq } from '../../iceberg/expr/expression.js'
import { planFiles, planScan } from '../../iceberg/scan/plan-scan.js'
import type { ManifestEntry } from '../../iceberg/spec/data-file.js'
import type { BenchRow } from '../bench-row.js'
import { costRows, NO_PEER, timeRow } from './compare.js'
import { addSnapshots, describedFile, makeTable, schemaOf, writeFiles } from './make-tables.js'
import { numberArg, rounds, textArg, type Figures, type Piece } from './piece.js'
import type { BenchContext, PeerFigures } from './processes.js'

const COLUMNS = ['part', ...Array.from({ length: 9 }, (_, at) => `c${at + 1}`)]
const SCHEMA = schemaOf(Object.fromEntries(COLUMNS.map((name) => [name, 'long'])))
const PYICEBERG = 'PyIceberg, its cache emptied'
const JAVA = 'Java, warm'

/** Planning over tables of so many files, ten columns, each manifest a partition of its own. */
export async function benchPlans({ quick, processes }: BenchContext): Promise<readonly BenchRow[]> {
  const plan = async (name: string, manifests: number, files: number, count: number) => {
    const table = `plans.${name}`
    await processes.ours('makeFiles', { table, manifests, files })
    return { table, ours: await processes.ours('plan', { table, rounds: count }) }
  }
  const [ours, pyiceberg, spark] = [
    await plan('many', 100, 10_000, 5),
    { table: 'plans.many', rounds: quick ? 1 : 3 },
    { table: 'plans.many', rounds: 5 },
  ]
  const python = await processes.peer('plan', pyiceberg)
  const java = await processes.spark('java_plan', spark)
  const rows = manyFiles(ours.ours, python, java)
  const small = await plan('manifests', 100, 100, 5)
  const smallPeer = await processes.peer('plan', { table: small.table, rounds: 3 })
  const compared = { work: 'plan 100 manifests of one file', peerName: PYICEBERG, unit: 'ms' as const }
  rows.push(timeRow({ ...compared, ours: small.ours, peer: smallPeer, figure: 'all' }))
  for (const files of quick ? [10, 1000] : [10, 1000, 100_000]) {
    const { ours: figures } = await plan(`f${files}`, Math.min(100, files / 10), files, 3)
    const growth = { ours: figures, peer: NO_PEER, peerName: '', unit: 'ms' as const }
    const of = `plan ${files} files`
    rows.push(
      timeRow({ ...growth, work: `${of}, no filter`, figure: 'all' }),
      timeRow({ ...growth, work: `${of}, one partition`, figure: 'one' }),
      ...costRows({ ...growth, work: `${of}, all at once, and again cached` }),
    )
    const streamed = await processes.ours('streamPlan', { table: `plans.f${files}` })
    rows.push(...costRows({ ...growth, ours: streamed, work: `${of}, one after another` }))
  }
  return rows
}

function manyFiles(ours: Figures, python: PeerFigures, java: PeerFigures): BenchRow[] {
  const base = { ours, unit: 'ms' as const }
  const work = 'plan 10000 files'
  const besidePython = { ...base, peer: python, peerName: PYICEBERG }
  const cached = { ...base, peer: python, peerName: 'PyIceberg, whose cache holds manifest lists alone' }
  const besideJava = { ...base, peer: java, peerName: JAVA }
  return [
    timeRow({ ...besidePython, work: `${work}, no filter, the first in its process`, figure: 'first' }),
    timeRow({ ...besidePython, work: `${work}, no filter`, figure: 'all' }),
    timeRow({ ...besidePython, work: `${work}, one partition`, figure: 'one' }),
    timeRow({ ...cached, work: `${work}, no filter, cached`, figure: 'cachedAll' }),
    timeRow({ ...cached, work: `${work}, one partition, cached`, figure: 'cachedOne' }),
    timeRow({
      ...besideJava,
      work: `${work}, no filter, without metrics as Java gives them`,
      figure: 'lean',
    }),
    timeRow({ ...besideJava, work: `${work}, no filter, with all metrics`, figure: 'all' }),
    timeRow({ ...besideJava, work: `${work}, one partition`, figure: 'one' }),
    ...costRows({ ...besidePython, work }),
  ]
}

const makeFiles: Piece = async (lab, args) => {
  const [manifests, files] = [numberArg(args, 'manifests'), numberArg(args, 'files')]
  const table = await makeTable(lab, textArg(args, 'table'), SCHEMA, { partitionBy: 'part' })
  const groups = Array.from({ length: manifests }, (_, partition) =>
    Array.from({ length: files / manifests }, (_, at) =>
      describedFile(table, { partition, number: (partition * files) / manifests + at }),
    ),
  )
  await addSnapshots(lab, table, [await writeFiles(lab, table, groups, 'made')])
  return undefined
}

/** A partition's number is its column's value, so a filter on it leaves one manifest. */
const plan: Piece = async ({ catalog }, args) => {
  const { metadata } = await catalog.loadTable(parseIdentifier(textArg(args, 'table')))
  const table = { metadata, io: catalog.io }
  const filter = eq('part', 0n)
  const count = numberArg(args, 'rounds')
  const first = (await rounds(1, () => planScan(table))).min
  const all = await rounds(count, () => planScan(table))
  const lean = await rounds(count, () => planScan({ ...table, metrics: 'filter' }))
  const one = await rounds(count, () => planScan({ ...table, filter }))
  const manifestCache = new Map<string, readonly ManifestEntry[]>()
  await planScan({ ...table, manifestCache })
  const cachedAll = await rounds(count, () => planScan({ ...table, manifestCache }))
  const cachedOne = await rounds(count, () => planScan({ ...table, manifestCache, filter }))
  const { tasks } = await planScan(table)
  return {
    first,
    all: all.median,
    cpu: all.cpu,
    lean: lean.median,
    one: one.median,
    cachedAll: cachedAll.median,
    cachedOne: cachedOne.median,
    files: tasks.length,
    inOne: (await planScan({ ...table, filter })).tasks.length,
  }
}

const streamPlan: Piece = async ({ catalog }, args) => {
  const { metadata } = await catalog.loadTable(parseIdentifier(textArg(args, 'table')))
  let rows = 0
  return rounds(1, async () => {
    for await (const { file } of planFiles({ metadata, io: catalog.io })) rows += file.recordCount
    if (rows === 0) throw new Error('no file was planned')
  })
}

export const planPieces = { makeFiles, plan, streamPlan }
