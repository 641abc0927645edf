-- What was predicted beside what came, by day of the forecast and predicted day. actual is the cost of the whole day in the -- if not by_horizon
-- currency of the forecast. It is null where the table of costs does not have the day, and from the newest day of the two -- if not by_horizon
-- tables on, which may not be over. error is actual less mean. within_bounds is null where a bound it takes is missing. -- if not by_horizon
-- How far off forecasts are, by days ahead: over all days that have come, the mean of the absolute errors, of the errors -- if by_horizon
-- (positive: more was spent than predicted), and the share of days within the bounds, of those that have them. -- if by_horizon
{create} {view} AS{open}
WITH actuals AS (
  SELECT {of_account}usage_date, currency, CAST(sum({cost}) AS decimal(37, 12)) AS actual
  FROM {costs}
  GROUP BY {of_account}usage_date, currency
),
newest AS (
  SELECT {of_account}max(usage_date) AS usage_date
  FROM (SELECT {of_account}usage_date FROM {table} UNION ALL SELECT {of_account}usage_date FROM {costs}) days
  GROUP BY account -- if accounts
),
compared AS (
  SELECT
    f.account AS account, -- if accounts
    f.usage_date AS usage_date,
    f.period_start AS period_start,
    {horizon} AS horizon_days,
    f.currency AS currency,
    f.level AS level,
    f.mean AS mean,
    f.lower_bound AS lower_bound,
    f.upper_bound AS upper_bound,
    CAST(a.actual AS decimal(38, 12)) AS actual,
    CAST(a.actual - CAST(f.mean AS decimal(37, 12)) AS decimal(38, 12)) AS error,
    a.actual BETWEEN f.lower_bound AND f.upper_bound AS within_bounds
  FROM {table} f
  CROSS JOIN newest n -- if not accounts
  JOIN newest n ON n.account = f.account -- if accounts
  LEFT JOIN actuals a ON {of_actuals}a.usage_date = f.period_start AND a.currency = f.currency AND a.usage_date < n.usage_date
)
SELECT * -- if not by_horizon
FROM compared{close} -- if not by_horizon
SELECT -- if by_horizon
  {of_account}horizon_days, -- if by_horizon
  currency, -- if by_horizon
  count(error) AS days, -- if by_horizon
  CAST(sum(abs(error)) AS double) / count(error) AS mean_absolute_error, -- if by_horizon
  CAST(sum(error) AS double) / count(error) AS mean_error, -- if by_horizon
  CAST(count(CASE WHEN within_bounds THEN 1 END) AS double) / nullif(count(within_bounds), 0) AS within_share -- if by_horizon
FROM compared -- if by_horizon
WHERE error IS NOT NULL -- if by_horizon
GROUP BY {of_account}horizon_days, currency{close} -- if by_horizon
