-- Do AWS and Datadog say the same about Savings Plans? Used and unused commitment of both by day, those of Datadog added up
-- over its products and brought to one scale. AWS does not name the currency: the differences mean something only if the
-- bill is in datadog_unit. They are AWS less Datadog, rounded to a millionth, since Datadog answers doubles. A day whose
-- amounts are in several units has no figures of Datadog. A day that only one of the two has is there with nulls for the
-- other.
{create} {view} AS{open}
WITH bought AS (
  SELECT
    usage_date,
    CAST(sum(used_commitment) AS decimal(38, 12)) AS used_commitment,
    CAST(sum(unused_commitment) AS decimal(38, 12)) AS unused_commitment
  FROM {table}
  GROUP BY usage_date
),
scaled AS (
  SELECT
    usage_date,
    series,
    value * {value_scale} AS amount,
    {value_unit} AS unit
  FROM {other}
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
FULL JOIN told t ON t.usage_date = b.usage_date{close}
