-- Cost by day and first grouping, beside the day before, ranked by how far it moved. A group that is absent from a day
-- costs 0 on it. The change is null where the day before is not in the table.
{create} {view} AS{open}
WITH days AS (
  SELECT DISTINCT {of_account}usage_date
  FROM {table}
),
costs AS (
  SELECT {of_account}usage_date, {group}, currency, CAST(sum({cost}) AS decimal(37, 12)) AS cost
  FROM {table}
  GROUP BY {of_account}usage_date, {group}, currency
),
-- Every sum twice: as what it is, and as what came before on the day that follows.
sides AS (
  SELECT {of_account}usage_date, {group}, currency, cost, CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT {of_account}CAST(usage_date + INTERVAL '1' DAY AS date), {group}, currency, CAST(0 AS decimal(37, 12)), cost
  FROM costs
),
compared AS (
  SELECT
    account, -- if accounts
    usage_date,
    {group},
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY {of_account}usage_date, {group}, currency
),
moved AS (
  SELECT
    d.account AS account, -- if accounts
    d.usage_date AS usage_date,
    c.{group} AS {group},
    c.currency AS currency,
    CAST(c.cost AS decimal(38, 12)) AS cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change
  FROM compared c
  JOIN days d ON {of_days_d}d.usage_date = c.usage_date
  LEFT JOIN days p ON {of_days_p}p.usage_date = CAST(c.usage_date - INTERVAL '1' DAY AS date)
)
SELECT
  account, -- if accounts
  usage_date,
  {group},
  currency,
  cost,
  previous_cost,
  change,
  CASE WHEN change IS NOT NULL
    THEN rank() OVER (PARTITION BY {of_account}usage_date, currency ORDER BY abs(change) DESC NULLS LAST) END AS movement_rank
FROM moved{close}
