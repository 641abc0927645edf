-- What commitments and discounts save, by day and first grouping: what the usage would have cost at public on-demand
-- prices, less its amortized cost. savings_rate is the share of it, the effective savings rate, and null where the
-- on-demand cost is 0. AWS books unused commitment on the 1st of the month, which lowers the rate of that day.
CREATE OR REPLACE VIEW `aws_savings_by_service_savings_rate` AS
SELECT * FROM (
WITH sums AS (
  SELECT
    usage_date,
    `service`,
    currency,
    CAST(sum(amortized_cost) AS decimal(37, 12)) AS amortized_cost,
    CAST(sum(public_on_demand_cost) AS decimal(37, 12)) AS public_on_demand_cost
  FROM `aws_savings_by_service`
  GROUP BY
    usage_date,
    `service`,
    currency
)
SELECT
  usage_date,
  `service`,
  currency,
  CAST(amortized_cost AS decimal(38, 12)) AS amortized_cost,
  CAST(public_on_demand_cost AS decimal(38, 12)) AS public_on_demand_cost,
  CAST(public_on_demand_cost - amortized_cost AS decimal(38, 12)) AS savings,
  CASE WHEN public_on_demand_cost <> 0
    THEN CAST(public_on_demand_cost - amortized_cost AS double) / CAST(public_on_demand_cost AS double) END AS savings_rate
FROM sums
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;
