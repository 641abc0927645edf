-- How much of every month has no {label}: the cost of rows whose {label} is the empty string, beside all of it.
{create} {view} AS{open}
WITH sums AS (
  SELECT
    substr({partition}, 1, 7) AS billing_period,
    account, -- if accounts
    currency,
    CAST(sum(CASE WHEN {key} = '' THEN {cost} ELSE CAST(0 AS decimal(38, 12)) END) AS decimal(38, 12)) AS unallocated_cost,
    CAST(sum({cost}) AS decimal(38, 12)) AS total_cost
  FROM {table}
  GROUP BY {of_account}substr({partition}, 1, 7), currency
)
SELECT
  billing_period,
  account, -- if accounts
  currency,
  unallocated_cost,
  total_cost,
  CASE WHEN total_cost <> 0 THEN CAST(unallocated_cost AS double) / CAST(total_cost AS double) END AS unallocated_share
FROM sums{close}
