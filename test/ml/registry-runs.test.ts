import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import { resolveModelUri } from '../../ml/registry/resolve-model-uri.js'
import type { StartRun } from '../../ml/registry/run-store.js'
import { trainedVersion } from './support/trained-version.js'

let folder: string
let path: string
let registry: ModelRegistry

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firn-registry-'))
  path = join(folder, 'registry.db')
  registry = openModelRegistry({ path })
})
afterEach(() => {
  registry.close()
  rmSync(folder, { recursive: true, force: true })
})

function aRun(changes: Partial<StartRun> = {}): StartRun {
  return {
    ...{ runId: 'r1', experiment: 'p', model: 'm', name: 'm seed 0' },
    ...{ params: { seed: '0' }, tags: { 'firn.tag': 'v_x' }, startedAtMs: 10 },
    ...changes,
  }
}

/** A READY version, without a lake around it. */
function ready(seed: number, model = 'm'): number {
  const version = registry.reserve(trainedVersion({ pin: { seed, model } }), 1)
  registry.move(version, ['PENDING'], 'READY')
  return version.version
}

describe('runs', () => {
  test('keep params, tags, inputs, artifacts, metrics with their history, and how they ended', () => {
    const { pin, dataset } = trainedVersion()
    registry.startRun(aRun({ parentRunId: 'search' }))
    registry.logInputs('r1', { pin, dataset })
    registry.logMetrics('r1', [
      { key: 'loss', value: 0.5, step: 1, timestampMs: 11 },
      { key: 'loss', value: 0.25, step: 2, timestampMs: 12 },
      { key: 'loss', value: Number.NaN, step: 3, timestampMs: 13 },
      { key: 'loss', value: Number.POSITIVE_INFINITY, step: 4, timestampMs: 14 },
      { key: 'test/roc_auc', value: 0.8, step: 0, timestampMs: 15 },
    ])
    const artifact = { location: 'file:///a/model.json', sha256: 'ab', sizeBytes: 3 }
    registry.logArtifact('r1', { path: 'model.json', ...artifact })
    registry.finishRun('r1', 'FINISHED', 20)
    registry.close()
    registry = openModelRegistry({ path })
    expect(registry.getRun('r1')).toEqual({
      ...aRun({ parentRunId: 'search' }),
      ...{ status: 'FINISHED', endedAtMs: 20, inputs: { pin, dataset }, revision: 5 },
      metrics: {
        loss: { value: Number.POSITIVE_INFINITY, step: 4, timestampMs: 14 },
        'test/roc_auc': { value: 0.8, step: 0, timestampMs: 15 },
      },
      artifacts: [{ path: 'model.json', ...artifact }],
    })
    expect(registry.metricHistory('r1', 'loss').map(({ value }) => value)).toEqual([
      0.5,
      0.25,
      Number.NaN,
      Infinity,
    ])
    expect(registry.metricHistory('r1')).toHaveLength(5)
    expect(registry.getRun('r2')).toBeUndefined()
  })

  test('said twice are said once: nothing doubles, what was said first stays', () => {
    const { pin, dataset } = trainedVersion()
    const point = { key: 'loss', value: 0.5, step: 1, timestampMs: 11 }
    const say = (changes: Partial<StartRun>, value: number, end: 'FINISHED' | 'FAILED') => {
      registry.startRun(aRun(changes))
      registry.logMetrics('r1', [{ ...point, value }])
      registry.logInputs('r1', { pin, dataset })
      registry.logArtifact('r1', { path: 'a', location: 'l', sha256: 's', sizeBytes: 1 })
      registry.finishRun('r1', end, 20)
      return registry.getRun('r1')
    }
    const first = say({}, 0.5, 'FINISHED')
    expect(say({}, 0.5, 'FINISHED')).toEqual(first)
    expect(say({ params: { seed: '1' } }, 0.7, 'FAILED')).toEqual(first)
    expect(registry.metricHistory('r1')).toEqual([point])
  })

  test('take 8,000 metrics in one batch', () => {
    registry.startRun(aRun())
    const points = Array.from({ length: 8000 }, (_, i) => ({
      ...{ key: `m${i % 8}`, value: i / 7, step: Math.floor(i / 8), timestampMs: i },
    }))
    registry.logMetrics('r1', points)
    registry.logMetrics('r1', points)
    expect(registry.metricHistory('r1')).toHaveLength(8000)
    expect(registry.metricHistory('r1', 'm3').map(({ value }) => value)).toEqual(
      points.filter(({ key }) => key === 'm3').map(({ value }) => value),
    )
  })

  test('are found by experiment, model and parent, newest first', () => {
    for (const [runId, changes] of Object.entries({
      a: { model: 'm', startedAtMs: 1 },
      b: { model: 'n', startedAtMs: 2, parentRunId: 'a' },
      c: { model: 'm', startedAtMs: 3, experiment: 'q' },
      d: { model: 'm', startedAtMs: 4, parentRunId: 'a' },
    }))
      registry.startRun(aRun({ runId, ...changes }))
    const found = (search: Parameters<ModelRegistry['searchRuns']>[0]) =>
      registry.searchRuns(search).map(({ runId }) => runId)
    expect(found({})).toEqual(['d', 'c', 'b', 'a'])
    expect(found({ limit: 2 })).toEqual(['d', 'c'])
    expect(found({ experiment: 'p', model: 'm' })).toEqual(['d', 'a'])
    expect(found({ parentRunId: 'a' })).toEqual(['d', 'b'])
    expect(found({ model: 'x' })).toEqual([])
  })

  test.each([
    [
      { params: { hidden: 'x'.repeat(6001) } },
      /value of parameter "hidden" has 6001 bytes, and at most 6000/,
    ],
    [{ params: { hidden: 'é'.repeat(3001) } }, /has 6002 bytes/],
    [{ params: { ['k'.repeat(251)]: 'x' } }, /name of a parameter has 251 bytes/],
    [{ params: { '': 'x' } }, /"" is no name of a parameter/],
    [{ tags: { t: 'x'.repeat(5001) } }, /value of tag "t" has 5001 bytes/],
    [{ experiment: 'a\nb' }, /is no name of an experiment/],
    [{ name: 'x'.repeat(251) }, /name of a run has 251 bytes/],
  ])('refuse what a tracking server would refuse, and write nothing (%#)', (changes, message) => {
    expect(() => registry.startRun(aRun(changes as Partial<StartRun>))).toThrow(message)
    expect(registry.searchRuns()).toEqual([])
  })

  test('refuse metrics of a run that is not there, or with half a step, and write none of the batch', () => {
    const point = { key: 'loss', value: 1, step: 0, timestampMs: 1 }
    expect(() => registry.logMetrics('r1', [point])).toThrow(/no run "r1"/)
    registry.startRun(aRun())
    expect(() => registry.logMetrics('r1', [point, { ...point, step: 0.5 }])).toThrow(/step .* is 0.5/)
    expect(registry.metricHistory('r1')).toEqual([])
  })
})

describe('aliases', () => {
  const by = { by: 'ada', forced: false, atMs: 1 }

  test('name READY versions, and every change stays known: who was what when, by whom and why', () => {
    const [one, two] = [ready(1), ready(2)]
    registry.setAlias({ model: 'm', alias: 'champion', version: one, ...by })
    registry.setAlias({ model: 'm', alias: 'champion', version: one, ...by, atMs: 2 })
    registry.setAlias({ model: 'm', alias: 'challenger', version: two, ...by, atMs: 3 })
    const forced = { by: 'bob', reason: 'the gate is wrong', forced: true, atMs: 4 }
    registry.setAlias({ model: 'm', alias: 'champion', version: two, ...forced })
    registry.deleteAlias({ model: 'm', alias: 'challenger', ...by, atMs: 5 })
    registry.deleteAlias({ model: 'm', alias: 'challenger', ...by, atMs: 6 })
    expect(registry.aliases('m')).toEqual([
      { sequence: 3, model: 'm', alias: 'champion', version: 2, ...forced },
    ])
    expect(registry.aliasHistory('m').map(({ alias, version, atMs }) => [alias, version, atMs])).toEqual([
      ['champion', 1, 1],
      ['challenger', 2, 3],
      ['champion', 2, 4],
      ['challenger', null, 5],
    ])
    expect(registry.aliasHistory('m', 'champion')).toHaveLength(2)
    registry.setAlias({ model: 'm', alias: 'champion', version: one, ...by, atMs: 7 })
    expect(registry.aliases('m')[0]?.version).toBe(1)
    expect(registry.aliasHistory('m', 'champion').map(({ version }) => version)).toEqual([1, 2, 1])
  })

  test('are refused for versions that are not READY and for names that mean something else', () => {
    const pending = registry.reserve(trainedVersion({ pin: { seed: 9 } }), 1).version
    const set = (alias: string, version: number) => () =>
      registry.setAlias({ model: 'm', alias, version, ...by })
    expect(set('champion', pending)).toThrow(/no version 1 that is READY.*there are none/)
    ready(2)
    expect(set('champion', 7)).toThrow(/no version 7 that is READY.*READY versions: 2/)
    for (const alias of ['latest', 'Latest', 'v1', 'V12', '', 'a b', 'a/b', 'a@b', 'x'.repeat(256)])
      expect(set(alias, 2), alias).toThrow(/is no name for an alias/)
    expect(registry.aliasHistory('m')).toEqual([])
  })

  test('have a history that nothing changes, not even SQL', () => {
    registry.setAlias({ model: 'm', alias: 'champion', version: ready(1), ...by })
    const db = new Database(path)
    expect(() => db.exec('UPDATE alias_changes SET version = 7')).toThrow(/is not changed/)
    expect(() => db.exec('DELETE FROM alias_changes')).toThrow(/is not changed/)
    db.close()
    expect(registry.aliasHistory('m')).toHaveLength(1)
  })
})

describe('URIs of models', () => {
  const resolved = (uri: string) => resolveModelUri(registry, uri).version

  test('name a version by number, by alias, or the newest', () => {
    ready(1)
    ready(2)
    registry.reserve(trainedVersion({ pin: { seed: 3 } }), 1)
    registry.setAlias({ model: 'm', alias: 'champion', version: 1, by: 'ada', forced: false, atMs: 1 })
    expect(resolved('models:/m/1')).toBe(1)
    expect(resolved('models:/m@champion')).toBe(1)
    expect(resolved('models:/m/latest')).toBe(2)
    expect(resolved('models:/m/Latest')).toBe(2)
  })

  test('that name nothing say what there is', () => {
    expect(() => resolved('models:/m/1')).toThrow(/model "m" has no version 1\. No model is registered yet/)
    ready(1)
    ready(1, 'other')
    registry.reserve(trainedVersion({ pin: { seed: 3 } }), 1)
    registry.setAlias({ model: 'm', alias: 'champion', version: 1, by: 'ada', forced: false, atMs: 1 })
    const failing: Record<string, RegExp> = {
      'models:/m/2': /version 2 of model "m" is PENDING\. READY versions: 1\./,
      'models:/m/7': /model "m" has no version 7\. READY versions: 1\./,
      'models:/x/1': /model "x" has no version 1\. Registered models: m, other\./,
      'models:/x/latest': /model "x" has no READY version\. Registered models: m, other\./,
      'models:/m@best': /no alias "best"\. Its aliases: champion \(version 1\)\. READY versions: 1\./,
      'models:/m/Production': /There are no stages here; an alias is written models:\/m@Production\./,
      'models:/m/0': /no number from 1 on/,
      'models:/m': /write models:\/<name>\/<version>, models:\/<name>@<alias>/,
      'models:/m-0123abcd': /URI of a logged model/,
      'runs:/m/1': /names no version of a model/,
      'models:/m/1/2': /names no version of a model/,
      '': /names no version of a model/,
    }
    for (const [uri, message] of Object.entries(failing)) expect(() => resolved(uri), uri).toThrow(message)
  })
})

describe('the database', () => {
  test('of Firn 0.1 opens: its versions are listed and can go, its numbers are not given again', () => {
    registry.close()
    const old = join(folder, 'old.db')
    const db = new Database(old)
    db.exec(`CREATE TABLE model_versions (
      pipeline TEXT NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('PENDING', 'READY', 'DELETING', 'DELETED')),
      pin TEXT NOT NULL, weights_digest TEXT NOT NULL, dataset TEXT NOT NULL, trained TEXT NOT NULL,
      registered_at_ms INTEGER NOT NULL, PRIMARY KEY (pipeline, model, version))`)
    const insert = db.prepare(`INSERT INTO model_versions VALUES (?, 'm', ?, ?, ?, 'w', '{}', '{}', 5)`)
    insert.run('p', 1, 'READY', JSON.stringify({ snapshots: { 'f.left': '101' } }))
    insert.run('q', 1, 'READY', JSON.stringify({ snapshots: { 'f.right': '102' } }))
    insert.run('p', 2, 'DELETED', JSON.stringify({ snapshots: {} }))
    db.close()
    registry = openModelRegistry({ path: old })
    expect(registry.listLegacy('m')).toEqual([
      {
        ...{ model: 'm', version: 1, state: 'READY', pipelines: ['p', 'q'], registeredAtMs: 5 },
        snapshots: { 'f.left': '101', 'f.right': '102' },
      },
    ])
    expect(registry.list()).toEqual([])
    expect(() => resolveModelUri(registry, 'models:/m/1')).toThrow(
      /version 1 .* is of Firn 0\.1.*train it again/,
    )
    expect(() => resolveModelUri(registry, 'models:/m/latest')).toThrow(/no READY version\. .*train it again/)
    expect(ready(1)).toBe(3)
    expect(registry.moveLegacy({ model: 'm', version: 1 }, ['READY'], 'DELETED')).toBe(true)
    expect(registry.listLegacy()).toEqual([])
  })

  test('opens again as it is, and one of a newer Firn is refused', () => {
    registry.startRun(aRun())
    const again = openModelRegistry({ path })
    expect(again.searchRuns()).toHaveLength(1)
    again.close()
    const db = new Database(path)
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
    db.pragma('user_version = 99')
    db.close()
    expect(() => openModelRegistry({ path })).toThrow(/written by a newer Firn/)
  })
})

describe('what a tracking server was told', () => {
  const target = 'http://127.0.0.1:5000'
  const told = () => {
    for (const subject of registry.listUnmirrored(target))
      registry.markMirrored(target, subject, { revision: subject.revision, remoteId: 'x' })
  }

  test('is what is not listed; what changes after it is listed again', () => {
    registry.startRun(aRun())
    registry.reserve(trainedVersion({ pin: { seed: 8 } }), 1)
    const version = ready(1)
    const key = { model: 'm', version }
    registry.setAlias({ ...key, alias: 'champion', by: 'ada', forced: false, atMs: 1 })
    expect(registry.listUnmirrored(target)).toEqual([
      { kind: 'run', runId: 'r1', revision: 1 },
      { kind: 'version', ...key, revision: 2 },
      { kind: 'aliases', model: 'm', revision: 1 },
    ])
    told()
    expect(registry.listUnmirrored(target)).toEqual([])
    expect(registry.listUnmirrored('http://another')).toHaveLength(3)
    registry.finishRun('r1', 'FINISHED', 2)
    expect(registry.listUnmirrored(target)).toEqual([{ kind: 'run', runId: 'r1', revision: 2 }])
    told()
    registry.deleteAlias({ model: 'm', alias: 'champion', by: 'ada', forced: false, atMs: 2 })
    registry.move(key, ['READY'], 'DELETING')
    registry.move(key, ['DELETING'], 'DELETED')
    expect(registry.listUnmirrored(target).map(({ kind }) => kind)).toEqual(['version', 'aliases'])
    expect(registry.mirrored(target, { kind: 'run', runId: 'r1' })).toEqual({ revision: 2, remoteId: 'x' })
  })

  test('is told by one at a time, until its time is over', () => {
    const take = (holder: string, nowMs: number) =>
      registry.takeLease(target, 'r1', { holder, nowMs, untilMs: nowMs + 10 })
    expect(take('a', 0)).toBe(true)
    expect(take('b', 9)).toBe(false)
    expect(take('a', 9)).toBe(true)
    expect(take('b', 18)).toBe(false)
    expect(take('b', 19)).toBe(true)
    registry.dropLease(target, 'r1', 'a')
    expect(take('a', 20)).toBe(false)
    registry.dropLease(target, 'r1', 'b')
    expect(take('a', 20)).toBe(true)
  })
})
