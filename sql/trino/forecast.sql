-- What was predicted beside what came, by day of the forecast and predicted day. actual is the cost of the whole day in the
-- currency of the forecast. It is null where the table of costs does not have the day, and from the newest day of the two
-- tables on, which may not be over. error is actual less mean. within_bounds is null where a bound it takes is missing.
CREATE OR REPLACE VIEW "aws_cost_forecast_against_aws_cost_by_account" AS
WITH actuals AS (
  SELECT usage_date, currency, CAST(sum("unblended_cost") AS decimal(37, 12)) AS actual
  FROM "aws_cost_by_account"
  GROUP BY usage_date, currency
),
newest AS (
  SELECT max(usage_date) AS usage_date
  FROM (SELECT usage_date FROM "aws_cost_forecast" UNION ALL SELECT usage_date FROM "aws_cost_by_account") days
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
  FROM "aws_cost_forecast" f
  CROSS JOIN newest n
  LEFT JOIN actuals a ON a.usage_date = f.period_start AND a.currency = f.currency AND a.usage_date < n.usage_date
)
SELECT *
FROM compared;

-- What was predicted beside what came, by day of the forecast and predicted day. actual is the cost of the whole day in the
-- currency of the forecast. It is null where the table of costs does not have the day, and from the newest day of the two
-- tables on, which may not be over. error is actual less mean. within_bounds is null where a bound it takes is missing.
CREATE OR REPLACE VIEW "aws_cost_forecast_against_aws_cost_by_service" AS
WITH actuals AS (
  SELECT usage_date, currency, CAST(sum("unblended_cost") AS decimal(37, 12)) AS actual
  FROM "aws_cost_by_service"
  GROUP BY usage_date, currency
),
newest AS (
  SELECT max(usage_date) AS usage_date
  FROM (SELECT usage_date FROM "aws_cost_forecast" UNION ALL SELECT usage_date FROM "aws_cost_by_service") days
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
  FROM "aws_cost_forecast" f
  CROSS JOIN newest n
  LEFT JOIN actuals a ON a.usage_date = f.period_start AND a.currency = f.currency AND a.usage_date < n.usage_date
)
SELECT *
FROM compared;
