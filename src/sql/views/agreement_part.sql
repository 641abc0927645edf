SELECT
  usage_date,
  {metric} AS metric,
  currency,
  CAST(least_total AS decimal(38, 12)) AS least_total,
  CAST(greatest_total AS decimal(38, 12)) AS greatest_total,
  spread,
  {tables} AS tables,
  CASE
    WHEN absent <> '' AND (least_total <> 0 OR greatest_total <> 0) AND count(*) OVER (PARTITION BY {of_account}usage_date) > 1
      THEN concat('in another currency, or not read, in ', substr(absent, 3))
    WHEN absent <> '' AND (least_total <> 0 OR greatest_total <> 0) THEN concat('not read in ', substr(absent, 3))
    WHEN spread = 0 THEN 'agree'
    WHEN spread <= CAST(row_count AS decimal(18, 0)) * CAST('0.0000000001' AS decimal(12, 10)) THEN 'rounding of groups'
    WHEN estimated THEN 'an estimate read at different moments'
    ELSE 'read at different moments: run the jobs again' END AS reason,
  {account} AS account,
  {filter} AS filter
FROM (
  SELECT
    account, -- if accounts
    usage_date,
    currency,
    min(total) AS least_total,
    max(total) AS greatest_total,
    CAST(max(total) - min(total) AS decimal(38, 12)) AS spread,
    sum(row_count) + {count} AS row_count,
    {any}(estimated) AS estimated,
    concat(
      {absent}
    ) AS absent
  FROM (
    {totals}
  ) totals
  GROUP BY {of_account}usage_date, currency
) days
