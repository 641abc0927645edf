-- Cost by month and first grouping, beside the month before. A group that vanished has one month of cost 0. The month
-- before is null where it is not in the table, and days and previous_days tell how much of both is.
-- previous_same_days_cost is the month before up to the same day of the month as the newest day of this one. Costs per
-- day are doubles: the cost divided by the days of the month that are in the table.
CREATE OR REPLACE VIEW "aws_ai_cost_by_model_by_month" AS
WITH entries AS (
  SELECT
    12 * CAST(substr("billing_period", 1, 4) AS integer) + CAST(substr("billing_period", 6, 2) AS integer) AS month_number,
    substr("billing_period", 1, 7) AS billing_period,
    "usage_date" AS slot,
    "product_attribute_model",
    currency,
    estimated,
    "unblended_cost" AS cost
  FROM "aws_ai_cost_by_model"
),
months AS (
  SELECT
    month_number,
    billing_period,
    count(DISTINCT slot) AS days,
    max(extract(DAY FROM slot)) AS last_day,
    bool_or(estimated) AS estimated
  FROM entries
  GROUP BY month_number, billing_period
),
costs AS (
  SELECT
    e.month_number AS month_number,
    e."product_attribute_model" AS "product_attribute_model",
    e.currency AS currency,
    CAST(sum(CASE WHEN extract(DAY FROM e.slot) <= n.last_day THEN e.cost
      ELSE CAST(0 AS decimal(38, 12)) END) AS decimal(37, 12)) AS same_days_cost,
    CAST(sum(e.cost) AS decimal(37, 12)) AS cost
  FROM entries e
  LEFT JOIN months n ON n.month_number = e.month_number + 1
  GROUP BY
    e.month_number,
    e."product_attribute_model",
    e.currency
),
-- Every sum twice: as what it is, and as what came before in the month that follows.
sides AS (
  SELECT
    month_number,
    "product_attribute_model",
    currency,
    cost,
    CAST(0 AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT
    month_number + 1,
    "product_attribute_model",
    currency,
    CAST(0 AS decimal(37, 12)),
    same_days_cost,
    cost
  FROM costs
),
compared AS (
  SELECT
    month_number,
    "product_attribute_model",
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_same_days_cost) AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY
    month_number,
    "product_attribute_model",
    currency
)
SELECT
  m.billing_period AS billing_period,
  c."product_attribute_model" AS "product_attribute_model",
  c.currency AS currency,
  CAST(c.cost AS decimal(38, 12)) AS cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_same_days_cost AS decimal(38, 12)) END AS previous_same_days_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change,
  CASE WHEN p.month_number IS NOT NULL AND c.previous_cost <> 0
    THEN CAST(c.cost - c.previous_cost AS double) / CAST(c.previous_cost AS double) END AS change_share,
  m.days AS days,
  p.days AS previous_days,
  CAST(CAST(c.cost AS varchar) AS double) / CAST(m.days AS double) AS cost_per_day,
  CASE WHEN p.month_number IS NOT NULL
    THEN CAST(CAST(c.previous_cost AS varchar) AS double) / CAST(p.days AS double) END AS previous_cost_per_day,
  m.estimated AS estimated
FROM compared c
JOIN months m ON m.month_number = c.month_number
LEFT JOIN months p ON p.month_number = c.month_number - 1;

-- Cost by month and first grouping, beside the month before. A group that vanished has one month of cost 0. The month
-- before is null where it is not in the table, and days and previous_days tell how much of both is.
-- previous_same_days_cost is the month before up to the same day of the month as the newest day of this one. Costs per
-- day are doubles: the cost divided by the days of the month that are in the table.
CREATE OR REPLACE VIEW "aws_cost_by_account_by_month" AS
WITH entries AS (
  SELECT
    12 * CAST(substr("billing_period", 1, 4) AS integer) + CAST(substr("billing_period", 6, 2) AS integer) AS month_number,
    substr("billing_period", 1, 7) AS billing_period,
    "usage_date" AS slot,
    "linked_account",
    currency,
    estimated,
    "unblended_cost" AS cost
  FROM "aws_cost_by_account"
),
months AS (
  SELECT
    month_number,
    billing_period,
    count(DISTINCT slot) AS days,
    max(extract(DAY FROM slot)) AS last_day,
    bool_or(estimated) AS estimated
  FROM entries
  GROUP BY month_number, billing_period
),
costs AS (
  SELECT
    e.month_number AS month_number,
    e."linked_account" AS "linked_account",
    e.currency AS currency,
    CAST(sum(CASE WHEN extract(DAY FROM e.slot) <= n.last_day THEN e.cost
      ELSE CAST(0 AS decimal(38, 12)) END) AS decimal(37, 12)) AS same_days_cost,
    CAST(sum(e.cost) AS decimal(37, 12)) AS cost
  FROM entries e
  LEFT JOIN months n ON n.month_number = e.month_number + 1
  GROUP BY
    e.month_number,
    e."linked_account",
    e.currency
),
-- Every sum twice: as what it is, and as what came before in the month that follows.
sides AS (
  SELECT
    month_number,
    "linked_account",
    currency,
    cost,
    CAST(0 AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT
    month_number + 1,
    "linked_account",
    currency,
    CAST(0 AS decimal(37, 12)),
    same_days_cost,
    cost
  FROM costs
),
compared AS (
  SELECT
    month_number,
    "linked_account",
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_same_days_cost) AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY
    month_number,
    "linked_account",
    currency
)
SELECT
  m.billing_period AS billing_period,
  c."linked_account" AS "linked_account",
  c.currency AS currency,
  CAST(c.cost AS decimal(38, 12)) AS cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_same_days_cost AS decimal(38, 12)) END AS previous_same_days_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change,
  CASE WHEN p.month_number IS NOT NULL AND c.previous_cost <> 0
    THEN CAST(c.cost - c.previous_cost AS double) / CAST(c.previous_cost AS double) END AS change_share,
  m.days AS days,
  p.days AS previous_days,
  CAST(CAST(c.cost AS varchar) AS double) / CAST(m.days AS double) AS cost_per_day,
  CASE WHEN p.month_number IS NOT NULL
    THEN CAST(CAST(c.previous_cost AS varchar) AS double) / CAST(p.days AS double) END AS previous_cost_per_day,
  m.estimated AS estimated
FROM compared c
JOIN months m ON m.month_number = c.month_number
LEFT JOIN months p ON p.month_number = c.month_number - 1;

-- Cost by month and first grouping, beside the month before. A group that vanished has one month of cost 0. The month
-- before is null where it is not in the table, and days and previous_days tell how much of both is.
-- previous_same_days_cost is the month before up to the same day of the month as the newest day of this one. Costs per
-- day are doubles: the cost divided by the days of the month that are in the table.
CREATE OR REPLACE VIEW "aws_cost_by_service_by_month" AS
WITH entries AS (
  SELECT
    12 * CAST(substr("billing_period", 1, 4) AS integer) + CAST(substr("billing_period", 6, 2) AS integer) AS month_number,
    substr("billing_period", 1, 7) AS billing_period,
    "usage_date" AS slot,
    "service",
    currency,
    estimated,
    "unblended_cost" AS cost
  FROM "aws_cost_by_service"
),
months AS (
  SELECT
    month_number,
    billing_period,
    count(DISTINCT slot) AS days,
    max(extract(DAY FROM slot)) AS last_day,
    bool_or(estimated) AS estimated
  FROM entries
  GROUP BY month_number, billing_period
),
costs AS (
  SELECT
    e.month_number AS month_number,
    e."service" AS "service",
    e.currency AS currency,
    CAST(sum(CASE WHEN extract(DAY FROM e.slot) <= n.last_day THEN e.cost
      ELSE CAST(0 AS decimal(38, 12)) END) AS decimal(37, 12)) AS same_days_cost,
    CAST(sum(e.cost) AS decimal(37, 12)) AS cost
  FROM entries e
  LEFT JOIN months n ON n.month_number = e.month_number + 1
  GROUP BY
    e.month_number,
    e."service",
    e.currency
),
-- Every sum twice: as what it is, and as what came before in the month that follows.
sides AS (
  SELECT
    month_number,
    "service",
    currency,
    cost,
    CAST(0 AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT
    month_number + 1,
    "service",
    currency,
    CAST(0 AS decimal(37, 12)),
    same_days_cost,
    cost
  FROM costs
),
compared AS (
  SELECT
    month_number,
    "service",
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_same_days_cost) AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY
    month_number,
    "service",
    currency
)
SELECT
  m.billing_period AS billing_period,
  c."service" AS "service",
  c.currency AS currency,
  CAST(c.cost AS decimal(38, 12)) AS cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_same_days_cost AS decimal(38, 12)) END AS previous_same_days_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change,
  CASE WHEN p.month_number IS NOT NULL AND c.previous_cost <> 0
    THEN CAST(c.cost - c.previous_cost AS double) / CAST(c.previous_cost AS double) END AS change_share,
  m.days AS days,
  p.days AS previous_days,
  CAST(CAST(c.cost AS varchar) AS double) / CAST(m.days AS double) AS cost_per_day,
  CASE WHEN p.month_number IS NOT NULL
    THEN CAST(CAST(c.previous_cost AS varchar) AS double) / CAST(p.days AS double) END AS previous_cost_per_day,
  m.estimated AS estimated
FROM compared c
JOIN months m ON m.month_number = c.month_number
LEFT JOIN months p ON p.month_number = c.month_number - 1;

-- Cost by month and first grouping, beside the month before. A group that vanished has one month of cost 0. The month
-- before is null where it is not in the table, and days and previous_days tell how much of both is.
-- previous_same_days_cost is the month before up to the same day of the month as the newest day of this one. Costs per
-- day are doubles: the cost divided by the days of the month that are in the table.
CREATE OR REPLACE VIEW "aws_cost_by_team_by_month" AS
WITH entries AS (
  SELECT
    12 * CAST(substr("billing_period", 1, 4) AS integer) + CAST(substr("billing_period", 6, 2) AS integer) AS month_number,
    substr("billing_period", 1, 7) AS billing_period,
    "usage_date" AS slot,
    "tag_team",
    currency,
    estimated,
    "unblended_cost" AS cost
  FROM "aws_cost_by_team"
),
months AS (
  SELECT
    month_number,
    billing_period,
    count(DISTINCT slot) AS days,
    max(extract(DAY FROM slot)) AS last_day,
    bool_or(estimated) AS estimated
  FROM entries
  GROUP BY month_number, billing_period
),
costs AS (
  SELECT
    e.month_number AS month_number,
    e."tag_team" AS "tag_team",
    e.currency AS currency,
    CAST(sum(CASE WHEN extract(DAY FROM e.slot) <= n.last_day THEN e.cost
      ELSE CAST(0 AS decimal(38, 12)) END) AS decimal(37, 12)) AS same_days_cost,
    CAST(sum(e.cost) AS decimal(37, 12)) AS cost
  FROM entries e
  LEFT JOIN months n ON n.month_number = e.month_number + 1
  GROUP BY
    e.month_number,
    e."tag_team",
    e.currency
),
-- Every sum twice: as what it is, and as what came before in the month that follows.
sides AS (
  SELECT
    month_number,
    "tag_team",
    currency,
    cost,
    CAST(0 AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT
    month_number + 1,
    "tag_team",
    currency,
    CAST(0 AS decimal(37, 12)),
    same_days_cost,
    cost
  FROM costs
),
compared AS (
  SELECT
    month_number,
    "tag_team",
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_same_days_cost) AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY
    month_number,
    "tag_team",
    currency
)
SELECT
  m.billing_period AS billing_period,
  c."tag_team" AS "tag_team",
  c.currency AS currency,
  CAST(c.cost AS decimal(38, 12)) AS cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_same_days_cost AS decimal(38, 12)) END AS previous_same_days_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change,
  CASE WHEN p.month_number IS NOT NULL AND c.previous_cost <> 0
    THEN CAST(c.cost - c.previous_cost AS double) / CAST(c.previous_cost AS double) END AS change_share,
  m.days AS days,
  p.days AS previous_days,
  CAST(CAST(c.cost AS varchar) AS double) / CAST(m.days AS double) AS cost_per_day,
  CASE WHEN p.month_number IS NOT NULL
    THEN CAST(CAST(c.previous_cost AS varchar) AS double) / CAST(p.days AS double) END AS previous_cost_per_day,
  m.estimated AS estimated
FROM compared c
JOIN months m ON m.month_number = c.month_number
LEFT JOIN months p ON p.month_number = c.month_number - 1;

-- Cost by month and first grouping, beside the month before. A group that vanished has one month of cost 0. The month
-- before is null where it is not in the table, and days and previous_days tell how much of both is.
CREATE OR REPLACE VIEW "aws_cost_monthly_by_month" AS
WITH entries AS (
  SELECT
    12 * CAST(substr("billing_period", 1, 4) AS integer) + CAST(substr("billing_period", 6, 2) AS integer) AS month_number,
    substr("billing_period", 1, 7) AS billing_period,
    "service",
    currency,
    estimated,
    "unblended_cost" AS cost
  FROM "aws_cost_monthly"
),
months AS (
  SELECT
    month_number,
    billing_period,
    bool_or(estimated) AS estimated
  FROM entries
  GROUP BY month_number, billing_period
),
costs AS (
  SELECT
    e.month_number AS month_number,
    e."service" AS "service",
    e.currency AS currency,
    CAST(sum(e.cost) AS decimal(37, 12)) AS cost
  FROM entries e
  GROUP BY
    e.month_number,
    e."service",
    e.currency
),
-- Every sum twice: as what it is, and as what came before in the month that follows.
sides AS (
  SELECT
    month_number,
    "service",
    currency,
    cost,
    CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT
    month_number + 1,
    "service",
    currency,
    CAST(0 AS decimal(37, 12)),
    cost
  FROM costs
),
compared AS (
  SELECT
    month_number,
    "service",
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY
    month_number,
    "service",
    currency
)
SELECT
  m.billing_period AS billing_period,
  c."service" AS "service",
  c.currency AS currency,
  CAST(c.cost AS decimal(38, 12)) AS cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change,
  CASE WHEN p.month_number IS NOT NULL AND c.previous_cost <> 0
    THEN CAST(c.cost - c.previous_cost AS double) / CAST(c.previous_cost AS double) END AS change_share,
  m.estimated AS estimated
FROM compared c
JOIN months m ON m.month_number = c.month_number
LEFT JOIN months p ON p.month_number = c.month_number - 1;

-- Cost by month and first grouping, beside the month before. A group that vanished has one month of cost 0. The month
-- before is null where it is not in the table, and days and previous_days tell how much of both is.
-- previous_same_days_cost is the month before up to the same day of the month as the newest day of this one. Costs per
-- day are doubles: the cost divided by the days of the month that are in the table.
CREATE OR REPLACE VIEW "aws_savings_by_service_by_month" AS
WITH entries AS (
  SELECT
    12 * CAST(substr("billing_period", 1, 4) AS integer) + CAST(substr("billing_period", 6, 2) AS integer) AS month_number,
    substr("billing_period", 1, 7) AS billing_period,
    "usage_date" AS slot,
    "service",
    currency,
    estimated,
    "amortized_cost" AS cost
  FROM "aws_savings_by_service"
),
months AS (
  SELECT
    month_number,
    billing_period,
    count(DISTINCT slot) AS days,
    max(extract(DAY FROM slot)) AS last_day,
    bool_or(estimated) AS estimated
  FROM entries
  GROUP BY month_number, billing_period
),
costs AS (
  SELECT
    e.month_number AS month_number,
    e."service" AS "service",
    e.currency AS currency,
    CAST(sum(CASE WHEN extract(DAY FROM e.slot) <= n.last_day THEN e.cost
      ELSE CAST(0 AS decimal(38, 12)) END) AS decimal(37, 12)) AS same_days_cost,
    CAST(sum(e.cost) AS decimal(37, 12)) AS cost
  FROM entries e
  LEFT JOIN months n ON n.month_number = e.month_number + 1
  GROUP BY
    e.month_number,
    e."service",
    e.currency
),
-- Every sum twice: as what it is, and as what came before in the month that follows.
sides AS (
  SELECT
    month_number,
    "service",
    currency,
    cost,
    CAST(0 AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT
    month_number + 1,
    "service",
    currency,
    CAST(0 AS decimal(37, 12)),
    same_days_cost,
    cost
  FROM costs
),
compared AS (
  SELECT
    month_number,
    "service",
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_same_days_cost) AS decimal(37, 12)) AS previous_same_days_cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY
    month_number,
    "service",
    currency
)
SELECT
  m.billing_period AS billing_period,
  c."service" AS "service",
  c.currency AS currency,
  CAST(c.cost AS decimal(38, 12)) AS cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.previous_same_days_cost AS decimal(38, 12)) END AS previous_same_days_cost,
  CASE WHEN p.month_number IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change,
  CASE WHEN p.month_number IS NOT NULL AND c.previous_cost <> 0
    THEN CAST(c.cost - c.previous_cost AS double) / CAST(c.previous_cost AS double) END AS change_share,
  m.days AS days,
  p.days AS previous_days,
  CAST(CAST(c.cost AS varchar) AS double) / CAST(m.days AS double) AS cost_per_day,
  CASE WHEN p.month_number IS NOT NULL
    THEN CAST(CAST(c.previous_cost AS varchar) AS double) / CAST(p.days AS double) END AS previous_cost_per_day,
  m.estimated AS estimated
FROM compared c
JOIN months m ON m.month_number = c.month_number
LEFT JOIN months p ON p.month_number = c.month_number - 1;
