import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const folder = join(import.meta.dirname, '..', '..', 'docs')
const page = readFileSync(join(folder, 'iceberg-support.md'), 'utf8')
const tables = page.split(/\n{2,}/).filter((block) => block.startsWith('|'))
const rows = tables.flatMap((table) => {
  const [heads = [], , ...rest] = table.trimEnd().split('\n').map(cellsOf)
  return rest.map((cells) => ({ heads, cells, name: cells[0] ?? '' }))
})
const ours = rows.filter(({ heads }) => heads.includes('Firn'))

describe('the page of what is supported', () => {
  test('has whole tables, with Firn beside six others', () => {
    expect(tables.length).toBeGreaterThanOrEqual(7)
    expect(rows.filter(({ heads, cells }) => cells.length !== heads.length).map(({ name }) => name)).toEqual(
      [],
    )
    expect(ours.filter(({ heads }) => heads.length === 8)).toHaveLength(33)
    expect(rows.filter(({ cells }) => cells[0] === '' || cells[1] === '')).toEqual([])
  })

  test('says Y, P or N of Firn in each row, and names a test for each Y and P', () => {
    const wrong = ours.filter(({ heads, cells }) => {
      const answer = cells[heads.indexOf('Firn')] ?? ''
      const isThere = /\b[YP]\b/.test(answer)
      const tests = linksOf([answer, cells[heads.indexOf('tests')] ?? ''].join())
      return isThere ? tests.length === 0 : !/\bN\b/.test(answer) || tests.length > 0
    })
    expect(wrong.map(({ name }) => name)).toEqual([])
  })

  test('links to test files that are there, and to the page of pains', () => {
    const links = linksOf(page)
    expect(links.filter((link) => !/^(\.\.\/test\/.*\.test\.ts|iceberg-pains\.md)$/.test(link))).toEqual([])
    expect(links.filter((link) => !existsSync(join(folder, link)))).toEqual([])
  })

  test('names a test for every trouble of others', () => {
    const troubles = rows.filter(({ heads }) => heads.includes('trouble'))
    expect(troubles.length).toBeGreaterThan(10)
    expect(troubles.filter(({ cells }) => linksOf(cells[2] ?? '').length === 0)).toEqual([])
  })
})

function cellsOf(line: string): readonly string[] {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim())
}

function linksOf(text: string): readonly string[] {
  return [...text.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? '')
}
