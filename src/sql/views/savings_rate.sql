-- What commitments and discounts save, by day and first grouping: what the usage would have cost at public on-demand
-- prices, less its amortized cost. savings_rate is the share of it, the effective savings rate, and null where the
-- on-demand cost is 0. AWS books unused commitment on the 1st of the month, which lowers the rate of that day.
{create} {view} AS{open}
WITH sums AS (
  SELECT
    account, -- if accounts
    usage_date,
    {group}, -- if grouped
    currency,
    CAST(sum(amortized_cost) AS decimal(37, 12)) AS amortized_cost,
    CAST(sum(public_on_demand_cost) AS decimal(37, 12)) AS public_on_demand_cost
  FROM {table}
  GROUP BY
    account, -- if accounts
    usage_date,
    {group}, -- if grouped
    currency
)
SELECT
  account, -- if accounts
  usage_date,
  {group}, -- if grouped
  currency,
  CAST(amortized_cost AS decimal(38, 12)) AS amortized_cost,
  CAST(public_on_demand_cost AS decimal(38, 12)) AS public_on_demand_cost,
  CAST(public_on_demand_cost - amortized_cost AS decimal(38, 12)) AS savings,
  CASE WHEN public_on_demand_cost <> 0
    THEN CAST(public_on_demand_cost - amortized_cost AS double) / CAST(public_on_demand_cost AS double) END AS savings_rate
FROM sums{close}
