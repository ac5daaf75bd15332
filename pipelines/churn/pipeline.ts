import { definePipeline, jsonSource, table } from '../../index.js'

/** Payment events: every transaction once, and what each user did in the last five minutes. */
export default definePipeline({
  name: 'churn',
  namespace: 'ml_features',
  sources: {
    payment_events: jsonSource({
      topic: 'payment-events',
      schema: {
        txn_id: 'string',
        user_token: 'string',
        // A number, or a string such as "12.30".
        amount: 'decimal(18, 2)',
        merchant_id: 'string',
        status: 'string',
        // ISO 8601, or ms since 1970.
        event_time: 'string|long',
      },
      identity: ['txn_id'],
      eventTime: 'event_time',
    }),
  },
  tables: {
    raw_transactions: table({
      sql: 'sql/raw_transactions.sql',
      schema: {
        txn_id: 'string!',
        user_token: 'string!',
        amount: 'decimal(18, 2)!',
        merchant_id: 'string!',
        status: 'string!',
        event_timestamp: 'timestamptz!',
        processing_date: 'date!',
        processing_batch_id: 'string!',
      },
      key: ['txn_id'],
      partition: ['day(event_timestamp)'],
      write: 'insert-new',
    }),
    realtime_user_features: table({
      sql: 'sql/realtime_user_features.sql',
      schema: {
        user_token: 'string!',
        window_end: 'timestamptz!',
        txn_count_5min: 'long!',
        total_amount_5min: 'decimal(18, 2)!',
        unique_merchants_5min: 'long!',
      },
      key: ['user_token', 'window_end'],
      partition: ['day(window_end)'],
      write: 'overwrite-partitions',
      window: { size: '5m', lateness: '10m' },
    }),
  },
  checks: {
    amounts_are_not_negative: {
      severity: 'blocking',
      sql: 'SELECT txn_id, amount FROM raw_transactions WHERE amount < 0',
    },
    status_is_known: {
      severity: 'blocking',
      sql: "SELECT txn_id, status FROM raw_transactions WHERE status NOT IN ('approved', 'declined')",
    },
    events_are_not_from_the_future: {
      severity: 'warning',
      description: 'More than a day after the batch: a clock of a producer is wrong.',
      sql: `SELECT t.txn_id, t.event_timestamp FROM raw_transactions t CROSS JOIN batch b
            WHERE t.event_timestamp > b.processing_timestamp + INTERVAL 1 DAY`,
    },
  },
})
