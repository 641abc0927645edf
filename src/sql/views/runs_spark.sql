-- Every run of every job, and what asking cost, from the run records.
CREATE OR REPLACE TEMPORARY VIEW costlake_runs AS
SELECT
  job,
  account,
  run_id,
  command,
  started_at,
  duration_ms,
  exit_code,
  asked.requests AS requests,
  asked.pages AS pages,
  asked.charged_pages AS charged_pages,
  CAST(usd AS decimal(10, 2)) AS usd,
  `rows`,
  objects_written,
  asked.answer_bytes AS answer_bytes,
  asked.retries AS retries,
  asked.throttles AS throttles,
  CASE WHEN exit_code = 0 THEN 'done' ELSE 'failed' END AS outcome,
  coalesce(failure.kind, get(filter(transform(fetches, f -> f.failure.kind), k -> k IS NOT NULL), 0)) AS error_kind
FROM costlake_run_records
-- A start record has none.
WHERE exit_code IS NOT NULL;
