-- Do AWS and Datadog say the same about reservations? What the used and the unused hours cost by day and product, AWS beside
-- Datadog, whose amounts are brought to one scale. What was used is the amortized fee less the cost of unused hours. AWS names
-- services and Datadog products: of three it is known which belong together, others stand by their own names. AWS does not
-- name the currency: the differences mean something only if the bill is in datadog_unit. They are AWS less Datadog, rounded
-- to a millionth, since Datadog answers doubles. Amounts in several units have no figures of Datadog. What only one of the
-- two has is there with nulls for the other.
CREATE OR REPLACE TEMPORARY VIEW `aws_reservation_utilization_and_datadog_commitment_utilization` AS
WITH named AS (
  SELECT
    usage_date,
    CASE service
      WHEN 'Amazon Elastic Compute Cloud - Compute' THEN 'ec2'
      WHEN 'Amazon Relational Database Service' THEN 'rds'
      WHEN 'Amazon ElastiCache' THEN 'elasticache'
      ELSE lower(service) END AS product,
    CAST(total_amortized_fee AS decimal(37, 12)) - CAST(ri_cost_for_unused_hours AS decimal(37, 12)) AS used,
    ri_cost_for_unused_hours AS unused
  FROM `aws_reservation_utilization`
),
bought AS (
  SELECT
    usage_date,
    product,
    CAST(sum(used) AS decimal(38, 12)) AS used,
    CAST(sum(unused) AS decimal(38, 12)) AS unused
  FROM named
  GROUP BY usage_date, product
),
scaled AS (
  SELECT
    usage_date,
    lower(product) AS product,
    series,
    value * (CASE WHEN CASE WHEN TRY_CAST(split_part(value_unit, ' ', 1) AS double) IS NULL THEN value_unit ELSE substr(value_unit, length(split_part(value_unit, ' ', 1)) + 2) END IN ('dollar', 'dollars', '$', 'cent', 'cents', '¢', 'millidollar', 'microdollar', 'nanodollar', 'percent', '%') THEN coalesce(TRY_CAST(split_part(value_unit, ' ', 1) AS double), 1) ELSE 1 END * CASE CASE WHEN TRY_CAST(split_part(value_unit, ' ', 1) AS double) IS NULL THEN value_unit ELSE substr(value_unit, length(split_part(value_unit, ' ', 1)) + 2) END WHEN 'cent' THEN 1e-2 WHEN 'cents' THEN 1e-2 WHEN '¢' THEN 1e-2 WHEN 'millidollar' THEN 1e-3 WHEN 'microdollar' THEN 1e-6 WHEN 'nanodollar' THEN 1e-9 ELSE 1e0 END) AS amount,
    CASE CASE WHEN TRY_CAST(split_part(value_unit, ' ', 1) AS double) IS NULL THEN value_unit ELSE substr(value_unit, length(split_part(value_unit, ' ', 1)) + 2) END WHEN 'dollar' THEN 'dollar' WHEN 'dollars' THEN 'dollar' WHEN '$' THEN 'dollar' WHEN 'cent' THEN 'dollar' WHEN 'cents' THEN 'dollar' WHEN '¢' THEN 'dollar' WHEN 'millidollar' THEN 'dollar' WHEN 'microdollar' THEN 'dollar' WHEN 'nanodollar' THEN 'dollar' WHEN 'percent' THEN 'percent' WHEN '%' THEN 'percent' ELSE value_unit END AS unit
  FROM `datadog_commitment_utilization`
  WHERE lower(provider) = 'aws' AND lower(commitment_type) = 'ri' AND series IN ('used', 'unused') AND value IS NOT NULL
),
told AS (
  SELECT
    usage_date,
    product,
    CASE WHEN count(DISTINCT unit) <= 1 THEN sum(CASE WHEN series = 'used' THEN amount END) END AS used,
    CASE WHEN count(DISTINCT unit) <= 1 THEN sum(CASE WHEN series = 'unused' THEN amount END) END AS unused,
    CASE WHEN count(DISTINCT unit) <= 1 THEN max(unit) END AS unit
  FROM scaled
  GROUP BY usage_date, product
)
SELECT
  coalesce(b.usage_date, t.usage_date) AS usage_date,
  coalesce(b.product, t.product) AS product,
  b.used AS used_fee,
  t.used AS datadog_used,
  round(CAST(b.used AS double) - t.used, 6) AS used_difference,
  b.unused AS unused_fee,
  t.unused AS datadog_unused,
  round(CAST(b.unused AS double) - t.unused, 6) AS unused_difference,
  t.unit AS datadog_unit
FROM bought b
FULL JOIN told t ON t.usage_date = b.usage_date AND t.product = b.product;
