-- Commitments of the newest day that expire within the 90 days after it. One whose expiry cannot be read as a date is
-- listed with null days_left.
CREATE OR REPLACE TEMPORARY VIEW `datadog_commitments_expiring` AS
WITH newest AS (
  SELECT max(usage_date) AS usage_date
  FROM `datadog_commitments`
),
dated AS (
  SELECT
    c.usage_date AS usage_date,
    c.provider AS provider,
    c.product AS product,
    c.commitment_type AS commitment_type,
    c.commitment_id AS commitment_id,
    c.expiration_date AS expiration_date,
    CASE WHEN c.expiration_date LIKE '____-__-__%' THEN TRY_CAST(substr(c.expiration_date, 1, 10) AS date) END AS expires,
    c.utilization AS utilization
  FROM `datadog_commitments` c
  JOIN newest n ON n.usage_date = c.usage_date
),
counted AS (
  SELECT
    usage_date,
    provider,
    product,
    commitment_type,
    commitment_id,
    expiration_date,
    expires,
    date_diff(expires, usage_date) AS days_left,
    utilization
  FROM dated
)
SELECT usage_date, provider, product, commitment_type, commitment_id, expiration_date, expires, days_left, utilization
FROM counted
WHERE days_left IS NULL OR days_left BETWEEN 0 AND 90;
