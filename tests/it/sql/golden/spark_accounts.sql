CREATE OR REPLACE TEMPORARY VIEW `two` (
  `period_start` timestamp COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` string COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `account` string COMMENT 'partition of the lake',
  `usage_date` string COMMENT 'partition of the lake'
)
USING parquet
OPTIONS (path 's3a://bucket/lake/two');

CREATE OR REPLACE TEMPORARY VIEW `many` (
  `period_start` timestamp COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` string COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `account` string COMMENT 'partition of the lake',
  `usage_date` string COMMENT 'partition of the lake'
)
USING parquet
OPTIONS (path 's3a://bucket/lake/many');

CREATE OR REPLACE TEMPORARY VIEW `empty` AS
  SELECT CAST(NULL AS timestamp) AS `period_start`, CAST(NULL AS boolean) AS `estimated`, CAST(NULL AS string) AS `service`, CAST(NULL AS decimal(38,12)) AS `unblended_cost`, CAST(NULL AS string) AS `currency`, CAST(NULL AS string) AS `account`, CAST(NULL AS string) AS `usage_date` WHERE false;
