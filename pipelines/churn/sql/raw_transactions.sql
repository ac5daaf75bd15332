-- _timestamp is the event time, whichever way event_time was written.
SELECT
  p.txn_id,
  p.user_token,
  p.amount,
  p.merchant_id,
  p.status,
  p._timestamp AS event_timestamp,
  b.processing_date,
  b.batch_id AS processing_batch_id
FROM payment_events p
CROSS JOIN batch b
