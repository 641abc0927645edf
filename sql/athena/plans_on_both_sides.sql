-- Do AWS and Datadog say the same about Savings Plans? Used and unused commitment of both by day, those of Datadog added up
-- over its products and brought to one scale. AWS does not name the currency: the differences mean something only if the
-- bill is in datadog_unit. They are AWS less Datadog, rounded to a millionth, since Datadog answers doubles. A day whose
-- amounts are in several units has no figures of Datadog. A day that only one of the two has is there with nulls for the
-- other.
CREATE OR REPLACE VIEW "aws_savings_plans_utilization_and_datadog_commitment_utilization" AS
WITH bought AS (
  SELECT
    usage_date,
    CAST(sum(used_commitment) AS decimal(38, 12)) AS used_commitment,
    CAST(sum(unused_commitment) AS decimal(38, 12)) AS unused_commitment
  FROM "aws_savings_plans_utilization"
  GROUP BY usage_date
),
scaled AS (
  SELECT
    usage_date,
    series,
    value * (CASE WHEN CASE WHEN TRY_CAST(split_part(value_unit, ' ', 1) AS double) IS NULL THEN value_unit ELSE substr(value_unit, length(split_part(value_unit, ' ', 1)) + 2) END IN ('dollar', 'dollars', '$', 'cent', 'cents', '¢', 'millidollar', 'microdollar', 'nanodollar', 'percent', '%') THEN coalesce(TRY_CAST(split_part(value_unit, ' ', 1) AS double), 1) ELSE 1 END * CASE CASE WHEN TRY_CAST(split_part(value_unit, ' ', 1) AS double) IS NULL THEN value_unit ELSE substr(value_unit, length(split_part(value_unit, ' ', 1)) + 2) END WHEN 'cent' THEN 1e-2 WHEN 'cents' THEN 1e-2 WHEN '¢' THEN 1e-2 WHEN 'millidollar' THEN 1e-3 WHEN 'microdollar' THEN 1e-6 WHEN 'nanodollar' THEN 1e-9 ELSE 1e0 END) AS amount,
    CASE CASE WHEN TRY_CAST(split_part(value_unit, ' ', 1) AS double) IS NULL THEN value_unit ELSE substr(value_unit, length(split_part(value_unit, ' ', 1)) + 2) END WHEN 'dollar' THEN 'dollar' WHEN 'dollars' THEN 'dollar' WHEN '$' THEN 'dollar' WHEN 'cent' THEN 'dollar' WHEN 'cents' THEN 'dollar' WHEN '¢' THEN 'dollar' WHEN 'millidollar' THEN 'dollar' WHEN 'microdollar' THEN 'dollar' WHEN 'nanodollar' THEN 'dollar' WHEN 'percent' THEN 'percent' WHEN '%' THEN 'percent' ELSE value_unit END AS unit
  FROM "datadog_commitment_utilization"
  WHERE lower(provider) = 'aws' AND lower(commitment_type) = 'sp' AND series IN ('used', 'unused') AND value IS NOT NULL
),
told AS (
  SELECT
    usage_date,
    CASE WHEN count(DISTINCT unit) <= 1 THEN sum(CASE WHEN series = 'used' THEN amount END) END AS used,
    CASE WHEN count(DISTINCT unit) <= 1 THEN sum(CASE WHEN series = 'unused' THEN amount END) END AS unused,
    CASE WHEN count(DISTINCT unit) <= 1 THEN max(unit) END AS unit
  FROM scaled
  GROUP BY usage_date
)
SELECT
  coalesce(b.usage_date, t.usage_date) AS usage_date,
  b.used_commitment AS used_commitment,
  t.used AS datadog_used,
  round(CAST(b.used_commitment AS double) - t.used, 6) AS used_difference,
  b.unused_commitment AS unused_commitment,
  t.unused AS datadog_unused,
  round(CAST(b.unused_commitment AS double) - t.unused, 6) AS unused_difference,
  t.unit AS datadog_unit
FROM bought b
FULL JOIN told t ON t.usage_date = b.usage_date;
