-- What changed since a UTC day or an instant, by job, account, day and metric: costlake_changed_since('2026-11-01').
-- Between two currencies there is no change in amount: it is null.
CREATE OR REPLACE MACRO costlake_changed_since(since) AS TABLE
WITH revised AS (
  SELECT *
  FROM cost_revisions
  WHERE committed_at >= CASE
    WHEN length(CAST(since AS VARCHAR)) = 10 THEN CAST(CAST(since AS DATE) AS TIMESTAMP) AT TIME ZONE 'UTC'
    ELSE CAST(since AS TIMESTAMP WITH TIME ZONE) END
),
net AS (
  SELECT
    job,
    account,
    day,
    metric,
    first(total_before ORDER BY generation) AS total_before,
    last(total ORDER BY generation) AS total,
    first(currency_before ORDER BY generation) AS currency_before,
    last(currency ORDER BY generation) AS currency,
    count(*) AS revisions,
    min(committed_at) AS first_committed_at,
    max(committed_at) AS last_committed_at,
    last(estimated ORDER BY generation) AS estimated
  FROM revised
  GROUP BY job, account, day, metric
)
SELECT
  job,
  account,
  day,
  metric,
  total_before,
  total,
  CASE WHEN metric NOT LIKE '%_cost' OR coalesce(currency_before, currency) IS NOT DISTINCT FROM coalesce(currency, currency_before)
    THEN coalesce(total, 0) - coalesce(total_before, 0) END AS change,
  revisions,
  first_committed_at,
  last_committed_at,
  estimated,
  currency_before,
  currency
FROM net;
