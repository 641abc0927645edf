-- Cost by day and first grouping, beside the day before, ranked by how far it moved. A group that is absent from a day
-- costs 0 on it. The change is null where the day before is not in the table.
CREATE OR REPLACE TEMPORARY VIEW `aws_ai_cost_by_model_movers` AS
WITH days AS (
  SELECT DISTINCT usage_date
  FROM `aws_ai_cost_by_model`
),
costs AS (
  SELECT usage_date, `product_attribute_model`, currency, CAST(sum(`unblended_cost`) AS decimal(37, 12)) AS cost
  FROM `aws_ai_cost_by_model`
  GROUP BY usage_date, `product_attribute_model`, currency
),
-- Every sum twice: as what it is, and as what came before on the day that follows.
sides AS (
  SELECT usage_date, `product_attribute_model`, currency, cost, CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT CAST(usage_date + INTERVAL '1' DAY AS date), `product_attribute_model`, currency, CAST(0 AS decimal(37, 12)), cost
  FROM costs
),
compared AS (
  SELECT
    usage_date,
    `product_attribute_model`,
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY usage_date, `product_attribute_model`, currency
),
moved AS (
  SELECT
    d.usage_date AS usage_date,
    c.`product_attribute_model` AS `product_attribute_model`,
    c.currency AS currency,
    CAST(c.cost AS decimal(38, 12)) AS cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change
  FROM compared c
  JOIN days d ON d.usage_date = c.usage_date
  LEFT JOIN days p ON p.usage_date = CAST(c.usage_date - INTERVAL '1' DAY AS date)
)
SELECT
  usage_date,
  `product_attribute_model`,
  currency,
  cost,
  previous_cost,
  change,
  CASE WHEN change IS NOT NULL
    THEN rank() OVER (PARTITION BY usage_date, currency ORDER BY abs(change) DESC NULLS LAST) END AS movement_rank
FROM moved;

-- Cost by day and first grouping, beside the day before, ranked by how far it moved. A group that is absent from a day
-- costs 0 on it. The change is null where the day before is not in the table.
CREATE OR REPLACE TEMPORARY VIEW `aws_cost_by_account_movers` AS
WITH days AS (
  SELECT DISTINCT usage_date
  FROM `aws_cost_by_account`
),
costs AS (
  SELECT usage_date, `linked_account`, currency, CAST(sum(`unblended_cost`) AS decimal(37, 12)) AS cost
  FROM `aws_cost_by_account`
  GROUP BY usage_date, `linked_account`, currency
),
-- Every sum twice: as what it is, and as what came before on the day that follows.
sides AS (
  SELECT usage_date, `linked_account`, currency, cost, CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT CAST(usage_date + INTERVAL '1' DAY AS date), `linked_account`, currency, CAST(0 AS decimal(37, 12)), cost
  FROM costs
),
compared AS (
  SELECT
    usage_date,
    `linked_account`,
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY usage_date, `linked_account`, currency
),
moved AS (
  SELECT
    d.usage_date AS usage_date,
    c.`linked_account` AS `linked_account`,
    c.currency AS currency,
    CAST(c.cost AS decimal(38, 12)) AS cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change
  FROM compared c
  JOIN days d ON d.usage_date = c.usage_date
  LEFT JOIN days p ON p.usage_date = CAST(c.usage_date - INTERVAL '1' DAY AS date)
)
SELECT
  usage_date,
  `linked_account`,
  currency,
  cost,
  previous_cost,
  change,
  CASE WHEN change IS NOT NULL
    THEN rank() OVER (PARTITION BY usage_date, currency ORDER BY abs(change) DESC NULLS LAST) END AS movement_rank
FROM moved;

-- Cost by day and first grouping, beside the day before, ranked by how far it moved. A group that is absent from a day
-- costs 0 on it. The change is null where the day before is not in the table.
CREATE OR REPLACE TEMPORARY VIEW `aws_cost_by_service_movers` AS
WITH days AS (
  SELECT DISTINCT usage_date
  FROM `aws_cost_by_service`
),
costs AS (
  SELECT usage_date, `service`, currency, CAST(sum(`unblended_cost`) AS decimal(37, 12)) AS cost
  FROM `aws_cost_by_service`
  GROUP BY usage_date, `service`, currency
),
-- Every sum twice: as what it is, and as what came before on the day that follows.
sides AS (
  SELECT usage_date, `service`, currency, cost, CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT CAST(usage_date + INTERVAL '1' DAY AS date), `service`, currency, CAST(0 AS decimal(37, 12)), cost
  FROM costs
),
compared AS (
  SELECT
    usage_date,
    `service`,
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY usage_date, `service`, currency
),
moved AS (
  SELECT
    d.usage_date AS usage_date,
    c.`service` AS `service`,
    c.currency AS currency,
    CAST(c.cost AS decimal(38, 12)) AS cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change
  FROM compared c
  JOIN days d ON d.usage_date = c.usage_date
  LEFT JOIN days p ON p.usage_date = CAST(c.usage_date - INTERVAL '1' DAY AS date)
)
SELECT
  usage_date,
  `service`,
  currency,
  cost,
  previous_cost,
  change,
  CASE WHEN change IS NOT NULL
    THEN rank() OVER (PARTITION BY usage_date, currency ORDER BY abs(change) DESC NULLS LAST) END AS movement_rank
FROM moved;

-- Cost by day and first grouping, beside the day before, ranked by how far it moved. A group that is absent from a day
-- costs 0 on it. The change is null where the day before is not in the table.
CREATE OR REPLACE TEMPORARY VIEW `aws_cost_by_team_movers` AS
WITH days AS (
  SELECT DISTINCT usage_date
  FROM `aws_cost_by_team`
),
costs AS (
  SELECT usage_date, `tag_team`, currency, CAST(sum(`unblended_cost`) AS decimal(37, 12)) AS cost
  FROM `aws_cost_by_team`
  GROUP BY usage_date, `tag_team`, currency
),
-- Every sum twice: as what it is, and as what came before on the day that follows.
sides AS (
  SELECT usage_date, `tag_team`, currency, cost, CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT CAST(usage_date + INTERVAL '1' DAY AS date), `tag_team`, currency, CAST(0 AS decimal(37, 12)), cost
  FROM costs
),
compared AS (
  SELECT
    usage_date,
    `tag_team`,
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY usage_date, `tag_team`, currency
),
moved AS (
  SELECT
    d.usage_date AS usage_date,
    c.`tag_team` AS `tag_team`,
    c.currency AS currency,
    CAST(c.cost AS decimal(38, 12)) AS cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change
  FROM compared c
  JOIN days d ON d.usage_date = c.usage_date
  LEFT JOIN days p ON p.usage_date = CAST(c.usage_date - INTERVAL '1' DAY AS date)
)
SELECT
  usage_date,
  `tag_team`,
  currency,
  cost,
  previous_cost,
  change,
  CASE WHEN change IS NOT NULL
    THEN rank() OVER (PARTITION BY usage_date, currency ORDER BY abs(change) DESC NULLS LAST) END AS movement_rank
FROM moved;

-- Cost by day and first grouping, beside the day before, ranked by how far it moved. A group that is absent from a day
-- costs 0 on it. The change is null where the day before is not in the table.
CREATE OR REPLACE TEMPORARY VIEW `aws_savings_by_service_movers` AS
WITH days AS (
  SELECT DISTINCT usage_date
  FROM `aws_savings_by_service`
),
costs AS (
  SELECT usage_date, `service`, currency, CAST(sum(`amortized_cost`) AS decimal(37, 12)) AS cost
  FROM `aws_savings_by_service`
  GROUP BY usage_date, `service`, currency
),
-- Every sum twice: as what it is, and as what came before on the day that follows.
sides AS (
  SELECT usage_date, `service`, currency, cost, CAST(0 AS decimal(37, 12)) AS previous_cost
  FROM costs
  UNION ALL
  SELECT CAST(usage_date + INTERVAL '1' DAY AS date), `service`, currency, CAST(0 AS decimal(37, 12)), cost
  FROM costs
),
compared AS (
  SELECT
    usage_date,
    `service`,
    currency,
    CAST(sum(cost) AS decimal(37, 12)) AS cost,
    CAST(sum(previous_cost) AS decimal(37, 12)) AS previous_cost
  FROM sides
  GROUP BY usage_date, `service`, currency
),
moved AS (
  SELECT
    d.usage_date AS usage_date,
    c.`service` AS `service`,
    c.currency AS currency,
    CAST(c.cost AS decimal(38, 12)) AS cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.previous_cost AS decimal(38, 12)) END AS previous_cost,
    CASE WHEN p.usage_date IS NOT NULL THEN CAST(c.cost - c.previous_cost AS decimal(38, 12)) END AS change
  FROM compared c
  JOIN days d ON d.usage_date = c.usage_date
  LEFT JOIN days p ON p.usage_date = CAST(c.usage_date - INTERVAL '1' DAY AS date)
)
SELECT
  usage_date,
  `service`,
  currency,
  cost,
  previous_cost,
  change,
  CASE WHEN change IS NOT NULL
    THEN rank() OVER (PARTITION BY usage_date, currency ORDER BY abs(change) DESC NULLS LAST) END AS movement_rank
FROM moved;
