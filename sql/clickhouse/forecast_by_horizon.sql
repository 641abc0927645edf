-- How far off forecasts are, by days ahead: over all days that have come, the mean of the absolute errors, of the errors
-- (positive: more was spent than predicted), and the share of days within the bounds, of those that have them.
CREATE OR REPLACE VIEW `aws_cost_forecast_against_aws_cost_by_account_by_horizon` AS
SELECT * FROM (
WITH actuals AS (
  SELECT usage_date, currency, CAST(sum(`unblended_cost`) AS decimal(37, 12)) AS actual
  FROM `aws_cost_by_account`
  GROUP BY usage_date, currency
),
newest AS (
  SELECT max(usage_date) AS usage_date
  FROM (SELECT usage_date FROM `aws_cost_forecast` UNION ALL SELECT usage_date FROM `aws_cost_by_account`) days
),
compared AS (
  SELECT
    f.usage_date AS usage_date,
    f.period_start AS period_start,
    date_diff('day', f.usage_date, f.period_start) AS horizon_days,
    f.currency AS currency,
    f.level AS level,
    f.mean AS mean,
    f.lower_bound AS lower_bound,
    f.upper_bound AS upper_bound,
    CAST(a.actual AS decimal(38, 12)) AS actual,
    CAST(a.actual - CAST(f.mean AS decimal(37, 12)) AS decimal(38, 12)) AS error,
    a.actual BETWEEN f.lower_bound AND f.upper_bound AS within_bounds
  FROM `aws_cost_forecast` f
  CROSS JOIN newest n
  LEFT JOIN actuals a ON a.usage_date = f.period_start AND a.currency = f.currency AND a.usage_date < n.usage_date
)
SELECT
  horizon_days,
  currency,
  count(error) AS days,
  CAST(sum(abs(error)) AS double) / count(error) AS mean_absolute_error,
  CAST(sum(error) AS double) / count(error) AS mean_error,
  CAST(count(CASE WHEN within_bounds THEN 1 END) AS double) / nullif(count(within_bounds), 0) AS within_share
FROM compared
WHERE error IS NOT NULL
GROUP BY horizon_days, currency
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;

-- How far off forecasts are, by days ahead: over all days that have come, the mean of the absolute errors, of the errors
-- (positive: more was spent than predicted), and the share of days within the bounds, of those that have them.
CREATE OR REPLACE VIEW `aws_cost_forecast_against_aws_cost_by_service_by_horizon` AS
SELECT * FROM (
WITH actuals AS (
  SELECT usage_date, currency, CAST(sum(`unblended_cost`) AS decimal(37, 12)) AS actual
  FROM `aws_cost_by_service`
  GROUP BY usage_date, currency
),
newest AS (
  SELECT max(usage_date) AS usage_date
  FROM (SELECT usage_date FROM `aws_cost_forecast` UNION ALL SELECT usage_date FROM `aws_cost_by_service`) days
),
compared AS (
  SELECT
    f.usage_date AS usage_date,
    f.period_start AS period_start,
    date_diff('day', f.usage_date, f.period_start) AS horizon_days,
    f.currency AS currency,
    f.level AS level,
    f.mean AS mean,
    f.lower_bound AS lower_bound,
    f.upper_bound AS upper_bound,
    CAST(a.actual AS decimal(38, 12)) AS actual,
    CAST(a.actual - CAST(f.mean AS decimal(37, 12)) AS decimal(38, 12)) AS error,
    a.actual BETWEEN f.lower_bound AND f.upper_bound AS within_bounds
  FROM `aws_cost_forecast` f
  CROSS JOIN newest n
  LEFT JOIN actuals a ON a.usage_date = f.period_start AND a.currency = f.currency AND a.usage_date < n.usage_date
)
SELECT
  horizon_days,
  currency,
  count(error) AS days,
  CAST(sum(abs(error)) AS double) / count(error) AS mean_absolute_error,
  CAST(sum(error) AS double) / count(error) AS mean_error,
  CAST(count(CASE WHEN within_bounds THEN 1 END) AS double) / nullif(count(within_bounds), 0) AS within_share
FROM compared
WHERE error IS NOT NULL
GROUP BY horizon_days, currency
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;
