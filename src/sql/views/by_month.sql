-- Cost by month and first grouping, beside the month before. A group that vanished has one month of cost 0. The month
-- before is null where it is not in the table, and days and previous_days tell how much of both is.
-- previous_same_days_cost is the month before up to the same day of the month as the newest day of this one. Costs per -- if daily
-- day are doubles: the cost divided by the days of the month that are in the table. -- if daily
{create} {view} AS{open}
WITH entries AS (
  SELECT
    12 * CAST(substr({partition}, 1, 4) AS integer) + CAST(substr({partition}, 6, 2) AS integer) AS month_number,
    substr({partition}, 1, 7) AS billing_period,
    account, -- if accounts
    {day} AS slot, -- if not monthly
    {group}, -- if grouped
    currency,
    estimated,
    {cost} AS cost
  FROM {table}
),
months AS (
  SELECT
    month_number,
    billing_period,
    account, -- if accounts
    count(DISTINCT slot) AS days, -- if not monthly
    max(extract(DAY FROM slot)) AS last_day, -- if daily
    {any}(estimated) AS estimated
  FROM entries
  GROUP BY {of_account}month_number, billing_period
),
costs AS (
  SELECT
    e.month_number AS month_number,
    e.account AS account, -- if accounts
    e.{group} AS {group}, -- if grouped
    e.currency AS currency,
    CAST(sum(CASE WHEN extract(DAY FROM e.slot) <= n.last_day THEN e.cost -- if daily
      ELSE CAST(0 AS decimal(38, 12)) END) AS decimal(37, 12)) AS same_days_cost, -- if daily
    CAST(sum(e.cost) AS decimal(37, 12)) AS cost
  FROM entries e
  LEFT JOIN months n ON {of_months_n}n.month_number = e.month_number + 1 -- if daily
  GROUP BY
    e.month_number,
    e.account, -- if accounts
    e.{group}, -- if grouped
    e.currency
),
-- Every sum twice: as what it is, and as what came before in the month that follows.
sides AS (
  SELECT
    month_number,
    account, -- if accounts
    {group}, -- if grouped
    currency,
    cost,
    CAST(0 AS decimal(37, 12)) AS previous_same_days_cost, -- if daily
    CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT
    month_number + 1,
    account, -- if accounts
    {group}, -- if grouped
    currency,
    CAST(0 AS decimal(37, 12)),
    same_days_cost, -- if daily
    cost
  FROM costs
),
compared AS (
  SELECT
    month_number,
    account, -- if accounts
    {group}, -- if grouped
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_same_days_cost) AS decimal(37, 12)) AS previous_same_days_cost, -- if daily
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY
    month_number,
    account, -- if accounts
    {group}, -- if grouped
    currency
)
SELECT
  m.billing_period AS billing_period,
  c.account AS account, -- if accounts
  c.{group} AS {group}, -- if grouped
  c.currency AS currency,
  CAST(c.cost AS decimal(38, 12)) AS cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_same_days_cost AS decimal(38, 12)) END AS previous_same_days_cost, -- if daily
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change,
  CASE WHEN p.month_number IS NOT NULL AND c.previous_cost <> 0
    THEN CAST(c.cost - c.previous_cost AS double) / CAST(c.previous_cost AS double) END AS change_share,
  m.days AS days, -- if not monthly
  p.days AS previous_days, -- if not monthly
  CAST(CAST(c.cost AS {text}) AS double) / CAST(m.days AS double) AS cost_per_day, -- if daily
  CASE WHEN p.month_number IS NOT NULL -- if daily
    THEN CAST(CAST(c.previous_cost AS {text}) AS double) / CAST(p.days AS double) END AS previous_cost_per_day, -- if daily
  m.estimated AS estimated
FROM compared c
JOIN months m ON m.month_number = c.month_number
  AND m.account = c.account -- if accounts
LEFT JOIN months p ON {of_months_p}p.month_number = c.month_number - 1{close}
