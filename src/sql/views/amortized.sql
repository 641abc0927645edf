-- What was charged beside what was used up, by month and first grouping: the difference is what upfront and recurring
-- commitment fees move between months and groups.
{create} {view} AS{open}
WITH sums AS (
  SELECT
    substr({partition}, 1, 7) AS billing_period,
    account, -- if accounts
    {group}, -- if grouped
    currency,
    CAST(sum(unblended_cost) AS decimal(37, 12)) AS unblended_cost,
    CAST(sum(amortized_cost) AS decimal(37, 12)) AS amortized_cost
  FROM {table}
  GROUP BY
    substr({partition}, 1, 7),
    account, -- if accounts
    {group}, -- if grouped
    currency
)
SELECT
  billing_period,
  account, -- if accounts
  {group}, -- if grouped
  currency,
  CAST(unblended_cost AS decimal(38, 12)) AS unblended_cost,
  CAST(amortized_cost AS decimal(38, 12)) AS amortized_cost,
  CAST(amortized_cost - unblended_cost AS decimal(38, 12)) AS difference
FROM sums{close}
