CREATE OR REPLACE VIEW `two` (
  `period_start` Nullable(DateTime64(3, 'UTC')) COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` Nullable(Bool) COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` Nullable(String) COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` Nullable(Decimal(38, 12)) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` Nullable(String) COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `account` Nullable(String) COMMENT 'partition of the lake',
  `usage_date` Nullable(String) COMMENT 'partition of the lake'
) AS
SELECT *, splitByChar('=', splitByChar('/', _path)[-3])[2] AS `account`, splitByChar('=', splitByChar('/', _path)[-2])[2] AS `usage_date`
FROM s3('s3://bucket/lake/two/*/*/data.parquet', 'Parquet', '`period_start` Nullable(DateTime64(3, \'UTC\')), `estimated` Nullable(Bool), `service` Nullable(String), `unblended_cost` Nullable(Decimal(38, 12)), `currency` Nullable(String)')
SETTINGS use_hive_partitioning = 0
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.';

CREATE OR REPLACE VIEW `many` (
  `period_start` Nullable(DateTime64(3, 'UTC')) COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` Nullable(Bool) COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` Nullable(String) COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` Nullable(Decimal(38, 12)) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` Nullable(String) COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `account` Nullable(String) COMMENT 'partition of the lake',
  `usage_date` Nullable(String) COMMENT 'partition of the lake'
) AS
SELECT *, splitByChar('=', splitByChar('/', _path)[-3])[2] AS `account`, splitByChar('=', splitByChar('/', _path)[-2])[2] AS `usage_date`
FROM s3('s3://bucket/lake/many/*/*/data.parquet', 'Parquet', '`period_start` Nullable(DateTime64(3, \'UTC\')), `estimated` Nullable(Bool), `service` Nullable(String), `unblended_cost` Nullable(Decimal(38, 12)), `currency` Nullable(String)')
SETTINGS use_hive_partitioning = 0
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.';

CREATE OR REPLACE VIEW `empty` (
  `period_start` Nullable(DateTime64(3, 'UTC')) COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` Nullable(Bool) COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` Nullable(String) COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` Nullable(Decimal(38, 12)) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` Nullable(String) COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `account` Nullable(String) COMMENT 'partition of the lake',
  `usage_date` Nullable(String) COMMENT 'partition of the lake'
) AS
SELECT CAST(NULL AS Nullable(DateTime64(3, 'UTC'))) AS `period_start`, CAST(NULL AS Nullable(Bool)) AS `estimated`, CAST(NULL AS Nullable(String)) AS `service`, CAST(NULL AS Nullable(Decimal(38, 12))) AS `unblended_cost`, CAST(NULL AS Nullable(String)) AS `currency`, CAST(NULL AS Nullable(String)) AS `account`, CAST(NULL AS Nullable(String)) AS `usage_date` WHERE false
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.';
