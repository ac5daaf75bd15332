import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSample, unpackSample } from '../../../pipelines/quantum/sample/unpack-sample.js'
import { experimentId } from '../../support/quantum-oracle.js'

test('the sample is 150 different runs with 1,008,528 iteration parameters, byte for byte as produced', () => {
  const sample = readSample()
  const names = sample.map(({ name }) => name)
  expect(names).toEqual([...names].sort())
  expect(new Set(sample.map(({ document }) => experimentId(document))).size).toBe(150)
  const parameters = sample.map(({ document }) => {
    const steps = JSON.parse(document).vqe_result.iteration_list as {
      readonly parameters: readonly number[]
    }[]
    return steps.reduce((total, step) => total + step.parameters.length, 0)
  })
  expect(parameters.reduce((a, b) => a + b)).toBe(1_008_528)
  const digest = createHash('sha256')
  for (const { document } of sample) digest.update(document)
  expect(digest.digest('hex')).toBe('00ef18a25ba675a96bb43fcdfb0d4abb431c8abdbe71e9a727f802c7f843aa4c')
})

test('a range unpacks as files, and unpacking it again leaves them alone', async () => {
  const folder = join(await mkdtemp(join(tmpdir(), 'firn-sample-')), 'experiments', 'experiment.vqe')
  const paths = await unpackSample({ folder, from: 40, count: 3 })
  expect(readdirSync(folder)).toEqual(
    readSample()
      .slice(40, 43)
      .map(({ name }) => name),
  )
  expect(readFileSync(paths[0]!, 'utf8')).toBe(readSample()[40]!.document)
  const before = statSync(paths[0]!).mtimeMs
  await unpackSample({ folder, from: 40, count: 4 })
  expect(statSync(paths[0]!).mtimeMs).toBe(before)
  expect(readdirSync(folder)).toHaveLength(4)
})

test('a range beyond the sample says what there is', async () => {
  await expect(unpackSample({ folder: tmpdir(), from: 140, count: 11 })).rejects.toThrow('documents 0 to 149')
})
