-- Do the daily tables of one account and filter say the same? By day and metric the least and the greatest of their
-- totals, how far they are apart, and the likely reason. Tables of different filters are not compared.
CREATE OR REPLACE VIEW `costlake_agreement` AS
SELECT * FROM (
SELECT
  usage_date,
  'unblended_cost' AS metric,
  currency,
  CAST(least_total AS decimal(38, 12)) AS least_total,
  CAST(greatest_total AS decimal(38, 12)) AS greatest_total,
  spread,
  'aws_cost_by_account, aws_cost_by_service' AS tables,
  CASE
    WHEN absent <> '' AND (least_total <> 0 OR greatest_total <> 0) AND count(*) OVER (PARTITION BY usage_date) > 1
      THEN concat('in another currency, or not read, in ', substr(absent, 3))
    WHEN absent <> '' AND (least_total <> 0 OR greatest_total <> 0) THEN concat('not read in ', substr(absent, 3))
    WHEN spread = 0 THEN 'agree'
    WHEN spread <= CAST(row_count AS decimal(18, 0)) * CAST('0.0000000001' AS decimal(12, 10)) THEN 'rounding of groups'
    WHEN estimated THEN 'an estimate read at different moments'
    ELSE 'read at different moments: run the jobs again' END AS reason,
  CAST(NULL AS Nullable(String)) AS account,
  CAST(NULL AS Nullable(String)) AS filter
FROM (
  SELECT
    usage_date,
    currency,
    min(total) AS least_total,
    max(total) AS greatest_total,
    CAST(max(total) - min(total) AS decimal(38, 12)) AS spread,
    sum(row_count) + 2 AS row_count,
    max(estimated) AS estimated,
    concat(
      CASE WHEN count(CASE WHEN table_name = 'aws_cost_by_account' THEN 1 END) = 0 THEN ', aws_cost_by_account' ELSE '' END,
      CASE WHEN count(CASE WHEN table_name = 'aws_cost_by_service' THEN 1 END) = 0 THEN ', aws_cost_by_service' ELSE '' END
    ) AS absent
  FROM (
    SELECT 'aws_cost_by_account' AS table_name, usage_date, currency, CAST(sum(`unblended_cost`) AS decimal(37, 12)) AS total, count(*) AS row_count, max(estimated) AS estimated FROM `aws_cost_by_account` GROUP BY usage_date, currency
    UNION ALL
    SELECT 'aws_cost_by_service' AS table_name, usage_date, currency, CAST(sum(`unblended_cost`) AS decimal(37, 12)) AS total, count(*) AS row_count, max(estimated) AS estimated FROM `aws_cost_by_service` GROUP BY usage_date, currency
  ) totals
  GROUP BY usage_date, currency
) days
UNION ALL
SELECT
  usage_date,
  'amortized_cost' AS metric,
  currency,
  CAST(least_total AS decimal(38, 12)) AS least_total,
  CAST(greatest_total AS decimal(38, 12)) AS greatest_total,
  spread,
  'aws_cost_by_account, aws_cost_by_service, aws_savings_by_service' AS tables,
  CASE
    WHEN absent <> '' AND (least_total <> 0 OR greatest_total <> 0) AND count(*) OVER (PARTITION BY usage_date) > 1
      THEN concat('in another currency, or not read, in ', substr(absent, 3))
    WHEN absent <> '' AND (least_total <> 0 OR greatest_total <> 0) THEN concat('not read in ', substr(absent, 3))
    WHEN spread = 0 THEN 'agree'
    WHEN spread <= CAST(row_count AS decimal(18, 0)) * CAST('0.0000000001' AS decimal(12, 10)) THEN 'rounding of groups'
    WHEN estimated THEN 'an estimate read at different moments'
    ELSE 'read at different moments: run the jobs again' END AS reason,
  CAST(NULL AS Nullable(String)) AS account,
  CAST(NULL AS Nullable(String)) AS filter
FROM (
  SELECT
    usage_date,
    currency,
    min(total) AS least_total,
    max(total) AS greatest_total,
    CAST(max(total) - min(total) AS decimal(38, 12)) AS spread,
    sum(row_count) + 3 AS row_count,
    max(estimated) AS estimated,
    concat(
      CASE WHEN count(CASE WHEN table_name = 'aws_cost_by_account' THEN 1 END) = 0 THEN ', aws_cost_by_account' ELSE '' END,
      CASE WHEN count(CASE WHEN table_name = 'aws_cost_by_service' THEN 1 END) = 0 THEN ', aws_cost_by_service' ELSE '' END,
      CASE WHEN count(CASE WHEN table_name = 'aws_savings_by_service' THEN 1 END) = 0 THEN ', aws_savings_by_service' ELSE '' END
    ) AS absent
  FROM (
    SELECT 'aws_cost_by_account' AS table_name, usage_date, currency, CAST(sum(`amortized_cost`) AS decimal(37, 12)) AS total, count(*) AS row_count, max(estimated) AS estimated FROM `aws_cost_by_account` GROUP BY usage_date, currency
    UNION ALL
    SELECT 'aws_cost_by_service' AS table_name, usage_date, currency, CAST(sum(`amortized_cost`) AS decimal(37, 12)) AS total, count(*) AS row_count, max(estimated) AS estimated FROM `aws_cost_by_service` GROUP BY usage_date, currency
    UNION ALL
    SELECT 'aws_savings_by_service' AS table_name, usage_date, currency, CAST(sum(`amortized_cost`) AS decimal(37, 12)) AS total, count(*) AS row_count, max(estimated) AS estimated FROM `aws_savings_by_service` GROUP BY usage_date, currency
  ) totals
  GROUP BY usage_date, currency
) days
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;
