-- How much of every month has no tag_team: the cost of rows whose tag_team is the empty string, beside all of it.
CREATE OR REPLACE VIEW `aws_cost_by_team_unallocated` AS
SELECT * FROM (
WITH sums AS (
  SELECT
    substr(`billing_period`, 1, 7) AS billing_period,
    currency,
    CAST(sum(CASE WHEN `tag_team` = '' THEN `unblended_cost` ELSE CAST(0 AS decimal(38, 12)) END) AS decimal(38, 12)) AS unallocated_cost,
    CAST(sum(`unblended_cost`) AS decimal(38, 12)) AS total_cost
  FROM `aws_cost_by_team`
  GROUP BY substr(`billing_period`, 1, 7), currency
)
SELECT
  billing_period,
  currency,
  unallocated_cost,
  total_cost,
  CASE WHEN total_cost <> 0 THEN CAST(unallocated_cost AS double) / CAST(total_cost AS double) END AS unallocated_share
FROM sums
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;
