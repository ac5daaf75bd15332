import type { MetricMeter } from '@temporalio/common'
import type { Engine, EngineSession } from '../engine/engine.js'
import { IcebergError } from '../iceberg/error.js'
import type { Catalog, TableIdentifier } from '../iceberg/catalog/catalog.js'
import { METRICS } from '../schemas/metrics.js'
import type { Lake } from './create-deps.js'
import type { InSpan } from './tracing.js'

/** A lake whose commits are counted; with `inSpan`, its calls of catalog and engine are spans too. */
export function observedLake(lake: Lake, meter: MetricMeter, inSpan?: InSpan): Lake {
  const catalog = countedCatalog(lake.deps.catalog, meter)
  const deps =
    inSpan === undefined
      ? { ...lake.deps, catalog }
      : {
          ...lake.deps,
          catalog: tracedCatalog(catalog, inSpan),
          engine: tracedEngine(lake.deps.engine, inSpan),
        }
  return { ...lake, deps, close: () => lake.close() }
}

function countedCatalog(catalog: Catalog, meter: MetricMeter): Catalog {
  const commits = meter.createCounter('firn_commits', undefined, METRICS.firn_commits.description)
  return instead(catalog, {
    async commit(tables) {
      try {
        const committed = await catalog.commit(tables)
        commits.add(1, { outcome: 'committed' })
        return committed
      } catch (error) {
        const kind = error instanceof IcebergError ? error.kind : 'unexpected'
        commits.add(1, { outcome: kind.replace('commit-', '') })
        throw error
      }
    },
  })
}

function tracedCatalog(catalog: Catalog, inSpan: InSpan): Catalog {
  const names = (tables: readonly TableIdentifier[]): Record<string, string> => ({
    'firn.table': tables.map(({ namespace, name }) => `${namespace}.${name}`).join(','),
  })
  return instead(catalog, {
    loadTable: (table) => inSpan('catalog.load', names([table]), () => catalog.loadTable(table)),
    loadTables: (tables) => inSpan('catalog.load', names(tables), () => catalog.loadTables(tables)),
    commit: (tables) =>
      inSpan('catalog.commit', names(tables.map(({ identifier }) => identifier)), () =>
        catalog.commit(tables),
      ),
  })
}

function tracedEngine(engine: Engine, inSpan: InSpan): Engine {
  return instead(engine, {
    async openSession(options) {
      const session: EngineSession = await engine.openSession(options)
      return instead(session, {
        query: (sql, limits) => inSpan('engine.query', {}, () => session.query(sql, limits)),
        write: (sql, target) =>
          inSpan('engine.write', {}, async (span) => {
            const written = await session.write(sql, target)
            span.setAttribute('firn.files', written.files.length)
            return written
          }),
      })
    },
  })
}

/** `target` with some of its functions replaced. */
function instead<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      if (name in replaced) return Reflect.get(replaced, name) as unknown
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
}
