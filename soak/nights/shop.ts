import type { Pipeline } from '../../schemas/pipeline.js'

/** What one order says; several of one id are the same record, of which the first landed counts. */
export interface Order {
  readonly id: string
  /** `2025-01-31` */
  readonly day: string
  readonly user: string
  readonly amount: number
  readonly items: readonly string[]
}

export const NAMESPACE = 'shop_features'
export const SOURCE = 'orders_raw'
export const TABLES = ['orders', 'items', 'users', 'days'] as const
export type ShopTable = (typeof TABLES)[number]

/**
 * A small pipeline with each way of writing: rows of new records, rows computed from these, new keys, and partitions that
 * are computed again. `version` is a factor in its SQL, so that another one is another definition.
 */
export function shopPipeline(version: number): Pipeline {
  return {
    name: 'shop',
    namespace: NAMESPACE,
    directory: '/nowhere',
    sources: {
      [SOURCE]: {
        kind: 'json',
        topic: 'shop.orders',
        schema: { id: 'string', day: 'string', user: 'string', amount: 'long', items: 'list<string>' },
        identity: ['id'],
        fileNames: 'rising',
      },
    },
    tables: {
      orders: {
        sql: 'orders.sql',
        schema: {
          order_id: 'string!',
          id: 'string!',
          day: 'date!',
          user: 'string!',
          amount: 'long!',
          processing_batch_id: 'string!',
        },
        key: ['order_id'],
        partition: ['month(day)'],
        write: 'insert-new',
        newBy: 'order_id',
      },
      items: {
        sql: 'items.sql',
        schema: { order_id: 'string!', line: 'int!', item: 'string', processing_batch_id: 'string!' },
        key: ['order_id', 'line'],
        partition: ['bucket(2, order_id)'],
        write: 'insert-new',
        newBy: 'order_id',
      },
      users: {
        sql: 'users.sql',
        schema: { user: 'string!', first_order: 'string', processing_batch_id: 'string!' },
        key: ['user'],
        partition: [],
        write: 'insert-new',
      },
      days: {
        sql: 'days.sql',
        schema: { day: 'date!', orders: 'long', amount: 'long' },
        key: ['day'],
        partition: ['day'],
        write: 'overwrite-partitions',
      },
    },
    checks: {
      amounts_not_negative: { severity: 'blocking', sql: 'SELECT id, amount FROM orders WHERE amount < 0' },
      few_items: { severity: 'warning', sql: 'SELECT order_id FROM items WHERE line > 2' },
    },
    sqlTexts: sqlTexts(version),
  }
}

function sqlTexts(version: number): Readonly<Record<string, string>> {
  return {
    'orders.sql': `
      SELECT _record_id AS order_id, id, CAST(day AS DATE) AS day, "user", amount * ${version} AS amount,
        batch_id AS processing_batch_id
      FROM ${SOURCE} CROSS JOIN batch`,
    'items.sql': `
      SELECT _record_id AS order_id, CAST(generate_subscripts(items, 1) AS INTEGER) AS line, unnest(items) AS item,
        batch_id AS processing_batch_id
      FROM ${SOURCE} CROSS JOIN batch`,
    'users.sql': `
      SELECT "user", min(id) AS first_order, any_value(batch_id) AS processing_batch_id
      FROM ${SOURCE} CROSS JOIN batch GROUP BY "user"`,
    'days.sql': `
      SELECT day, count(*) AS orders, CAST(sum(amount) AS BIGINT) AS amount
      FROM orders WHERE day IN (SELECT CAST(day AS DATE) FROM ${SOURCE}) GROUP BY day`,
  }
}
