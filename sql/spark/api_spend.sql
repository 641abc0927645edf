-- What asking cost, by calendar month (UTC) of the run, by job and by account, null in a table without accounts.
CREATE OR REPLACE TEMPORARY VIEW `costlake_api_spend` AS
WITH asked AS (
  SELECT date_format(to_utc_timestamp(started_at, current_timezone()), 'yyyy-MM') AS run_month, job, account, requests, pages, charged_pages, usd
  FROM costlake_runs
)
SELECT
  run_month,
  job,
  account,
  count(*) AS runs,
  CAST(sum(requests) AS bigint) AS requests,
  CAST(sum(pages) AS bigint) AS pages,
  CAST(sum(charged_pages) AS bigint) AS charged_pages,
  CAST(sum(usd) AS decimal(18, 2)) AS usd
FROM asked
GROUP BY run_month, job, account;
