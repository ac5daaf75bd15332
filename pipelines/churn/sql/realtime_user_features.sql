SELECT
  user_token,
  _window_end AS window_end,
  count(*) AS txn_count_5min,
  CAST(sum(amount) AS DECIMAL(18, 2)) AS total_amount_5min,
  count(DISTINCT merchant_id) AS unique_merchants_5min
FROM payment_events
GROUP BY user_token, _window_end
