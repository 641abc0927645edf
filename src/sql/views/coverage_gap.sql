-- How much of the usage do commitments cover, and what does the rest cost? By day, kind and service: what Savings Plans,
-- which have no service, cover in money, and what reservations cover in hours. uncovered_cost is the gap: usage at on-demand
-- prices. coverage_percentage is as AWS tells it. The gaps of the two kinds overlap, so never add them up. The answers do
-- not name a currency: amounts are in that of the bill.
{create} {view} AS{open}
SELECT
  account, -- if accounts
  usage_date,
  'savings plan' AS kind,
  '' AS service,
  spend_covered_by_savings_plans AS covered_cost,
  CAST(NULL AS decimal(38, 12)) AS covered_hours,
  CAST(NULL AS decimal(38, 12)) AS uncovered_hours,
  on_demand_cost AS uncovered_cost,
  coverage_percentage
FROM {table}
UNION ALL
SELECT
  account, -- if accounts
  usage_date,
  'reservation',
  service,
  CAST(NULL AS decimal(38, 12)),
  reserved_hours,
  on_demand_hours,
  on_demand_cost,
  coverage_hours_percentage
FROM {other}{close}
