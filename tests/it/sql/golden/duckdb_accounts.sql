CREATE OR REPLACE VIEW "two" AS
  SELECT CAST(NULL AS timestamp with time zone) AS "period_start", CAST(NULL AS boolean) AS "estimated", CAST(NULL AS varchar) AS "service", CAST(NULL AS decimal(38,12)) AS "unblended_cost", CAST(NULL AS varchar) AS "currency", CAST(NULL AS varchar) AS "account", CAST(NULL AS varchar) AS "usage_date" WHERE false
  UNION ALL BY NAME
  SELECT * EXCLUDE ("costlake file"), split_part(string_split("costlake file", '/')[-3], '=', 2) AS "account", split_part(string_split("costlake file", '/')[-2], '=', 2) AS "usage_date"
  FROM read_parquet('s3://bucket/lake/two/*/*/data.parquet', union_by_name = true, hive_partitioning = false, filename = 'costlake file');
COMMENT ON VIEW "two" IS 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.';
COMMENT ON COLUMN "two"."period_start" IS 'Start of the UTC hour the costs belong to. HOURLY tables only.';
COMMENT ON COLUMN "two"."estimated" IS 'True while AWS still calls the period an estimate; set per billing month, not per day.';
COMMENT ON COLUMN "two"."service" IS 'Dimension SERVICE. AWS service by its display name; names change over time.';
COMMENT ON COLUMN "two"."unblended_cost" IS 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.';
COMMENT ON COLUMN "two"."currency" IS 'Unit of the cost metrics, such as USD; one per answer.';

CREATE OR REPLACE VIEW "many" AS
  SELECT CAST(NULL AS timestamp with time zone) AS "period_start", CAST(NULL AS boolean) AS "estimated", CAST(NULL AS varchar) AS "service", CAST(NULL AS decimal(38,12)) AS "unblended_cost", CAST(NULL AS varchar) AS "currency", CAST(NULL AS varchar) AS "account", CAST(NULL AS varchar) AS "usage_date" WHERE false
  UNION ALL BY NAME
  SELECT * EXCLUDE ("costlake file"), split_part(string_split("costlake file", '/')[-3], '=', 2) AS "account", split_part(string_split("costlake file", '/')[-2], '=', 2) AS "usage_date"
  FROM read_parquet('s3://bucket/lake/many/*/*/data.parquet', union_by_name = true, hive_partitioning = false, filename = 'costlake file');
COMMENT ON VIEW "many" IS 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.';
COMMENT ON COLUMN "many"."period_start" IS 'Start of the UTC hour the costs belong to. HOURLY tables only.';
COMMENT ON COLUMN "many"."estimated" IS 'True while AWS still calls the period an estimate; set per billing month, not per day.';
COMMENT ON COLUMN "many"."service" IS 'Dimension SERVICE. AWS service by its display name; names change over time.';
COMMENT ON COLUMN "many"."unblended_cost" IS 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.';
COMMENT ON COLUMN "many"."currency" IS 'Unit of the cost metrics, such as USD; one per answer.';

CREATE OR REPLACE VIEW "empty" AS
  SELECT CAST(NULL AS timestamp with time zone) AS "period_start", CAST(NULL AS boolean) AS "estimated", CAST(NULL AS varchar) AS "service", CAST(NULL AS decimal(38,12)) AS "unblended_cost", CAST(NULL AS varchar) AS "currency", CAST(NULL AS varchar) AS "account", CAST(NULL AS varchar) AS "usage_date" WHERE false;
COMMENT ON VIEW "empty" IS 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.';
COMMENT ON COLUMN "empty"."period_start" IS 'Start of the UTC hour the costs belong to. HOURLY tables only.';
COMMENT ON COLUMN "empty"."estimated" IS 'True while AWS still calls the period an estimate; set per billing month, not per day.';
COMMENT ON COLUMN "empty"."service" IS 'Dimension SERVICE. AWS service by its display name; names change over time.';
COMMENT ON COLUMN "empty"."unblended_cost" IS 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.';
COMMENT ON COLUMN "empty"."currency" IS 'Unit of the cost metrics, such as USD; one per answer.';
