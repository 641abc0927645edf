-- Commitments of the newest day that expire within the 90 days after it. One whose expiry cannot be read as a date is
-- listed with null days_left.
{create} {view} AS{open}
WITH newest AS (
  SELECT {of_account}max(usage_date) AS usage_date
  FROM {table}
  GROUP BY account -- if accounts
),
dated AS (
  SELECT
    c.account AS account, -- if accounts
    c.usage_date AS usage_date,
    c.provider AS provider,
    c.product AS product,
    c.commitment_type AS commitment_type,
    c.commitment_id AS commitment_id,
    c.expiration_date AS expiration_date,
    CASE WHEN c.expiration_date LIKE '____-__-__%' THEN {expires} END AS expires,
    c.utilization AS utilization
  FROM {table} c
  JOIN newest n ON n.usage_date = c.usage_date
    AND n.account = c.account -- if accounts
),
counted AS (
  SELECT
    account, -- if accounts
    usage_date,
    provider,
    product,
    commitment_type,
    commitment_id,
    expiration_date,
    expires,
    {days_left} AS days_left,
    utilization
  FROM dated
)
SELECT {of_account}usage_date, provider, product, commitment_type, commitment_id, expiration_date, expires, days_left, utilization
FROM counted
WHERE days_left IS NULL OR days_left BETWEEN 0 AND 90{close}
