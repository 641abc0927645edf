-- What was charged beside what was used up, by month and first grouping: the difference is what upfront and recurring
-- commitment fees move between months and groups.
CREATE OR REPLACE VIEW `aws_cost_by_account_amortized` AS
SELECT * FROM (
WITH sums AS (
  SELECT
    substr(`billing_period`, 1, 7) AS billing_period,
    `linked_account`,
    currency,
    CAST(sum(unblended_cost) AS decimal(37, 12)) AS unblended_cost,
    CAST(sum(amortized_cost) AS decimal(37, 12)) AS amortized_cost
  FROM `aws_cost_by_account`
  GROUP BY
    substr(`billing_period`, 1, 7),
    `linked_account`,
    currency
)
SELECT
  billing_period,
  `linked_account`,
  currency,
  CAST(unblended_cost AS decimal(38, 12)) AS unblended_cost,
  CAST(amortized_cost AS decimal(38, 12)) AS amortized_cost,
  CAST(amortized_cost - unblended_cost AS decimal(38, 12)) AS difference
FROM sums
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;

-- What was charged beside what was used up, by month and first grouping: the difference is what upfront and recurring
-- commitment fees move between months and groups.
CREATE OR REPLACE VIEW `aws_cost_by_service_amortized` AS
SELECT * FROM (
WITH sums AS (
  SELECT
    substr(`billing_period`, 1, 7) AS billing_period,
    `service`,
    currency,
    CAST(sum(unblended_cost) AS decimal(37, 12)) AS unblended_cost,
    CAST(sum(amortized_cost) AS decimal(37, 12)) AS amortized_cost
  FROM `aws_cost_by_service`
  GROUP BY
    substr(`billing_period`, 1, 7),
    `service`,
    currency
)
SELECT
  billing_period,
  `service`,
  currency,
  CAST(unblended_cost AS decimal(38, 12)) AS unblended_cost,
  CAST(amortized_cost AS decimal(38, 12)) AS amortized_cost,
  CAST(amortized_cost - unblended_cost AS decimal(38, 12)) AS difference
FROM sums
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;

-- What was charged beside what was used up, by month and first grouping: the difference is what upfront and recurring
-- commitment fees move between months and groups.
CREATE OR REPLACE VIEW `aws_cost_by_team_amortized` AS
SELECT * FROM (
WITH sums AS (
  SELECT
    substr(`billing_period`, 1, 7) AS billing_period,
    `tag_team`,
    currency,
    CAST(sum(unblended_cost) AS decimal(37, 12)) AS unblended_cost,
    CAST(sum(amortized_cost) AS decimal(37, 12)) AS amortized_cost
  FROM `aws_cost_by_team`
  GROUP BY
    substr(`billing_period`, 1, 7),
    `tag_team`,
    currency
)
SELECT
  billing_period,
  `tag_team`,
  currency,
  CAST(unblended_cost AS decimal(38, 12)) AS unblended_cost,
  CAST(amortized_cost AS decimal(38, 12)) AS amortized_cost,
  CAST(amortized_cost - unblended_cost AS decimal(38, 12)) AS difference
FROM sums
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;

-- What was charged beside what was used up, by month and first grouping: the difference is what upfront and recurring
-- commitment fees move between months and groups.
CREATE OR REPLACE VIEW `aws_cost_monthly_amortized` AS
SELECT * FROM (
WITH sums AS (
  SELECT
    substr(`billing_period`, 1, 7) AS billing_period,
    `service`,
    currency,
    CAST(sum(unblended_cost) AS decimal(37, 12)) AS unblended_cost,
    CAST(sum(amortized_cost) AS decimal(37, 12)) AS amortized_cost
  FROM `aws_cost_monthly`
  GROUP BY
    substr(`billing_period`, 1, 7),
    `service`,
    currency
)
SELECT
  billing_period,
  `service`,
  currency,
  CAST(unblended_cost AS decimal(38, 12)) AS unblended_cost,
  CAST(amortized_cost AS decimal(38, 12)) AS amortized_cost,
  CAST(amortized_cost - unblended_cost AS decimal(38, 12)) AS difference
FROM sums
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;
