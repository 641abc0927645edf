-- What was paid for commitments that nobody used, by day, kind and service: unused commitment of Savings Plans, which have
-- no service, and the cost of unused hours of reservations. unused_share is the share of all that was committed: of the
-- commitment, or of the amortized fee. It is null where nothing was committed or AWS does not tell. The answers do not name
-- a currency: amounts are in that of the bill.
{create} {view} AS{open}
WITH commitments AS (
  SELECT
    account, -- if accounts
    usage_date,
    'savings plan' AS kind,
    '' AS service,
    unused_commitment AS unused_amount,
    total_commitment AS committed_amount
  FROM {table}
  UNION ALL
  SELECT
    account, -- if accounts
    usage_date,
    'reservation',
    service,
    ri_cost_for_unused_hours,
    total_amortized_fee
  FROM {other}
),
sums AS (
  SELECT
    account, -- if accounts
    usage_date,
    kind,
    service,
    CAST(sum(unused_amount) AS decimal(38, 12)) AS unused_amount,
    CAST(sum(committed_amount) AS decimal(38, 12)) AS committed_amount
  FROM commitments
  GROUP BY {of_account}usage_date, kind, service
)
SELECT
  account, -- if accounts
  usage_date,
  kind,
  service,
  unused_amount,
  committed_amount,
  CASE WHEN committed_amount <> 0
    THEN CAST(unused_amount AS double) / CAST(committed_amount AS double) END AS unused_share
FROM sums{close}
