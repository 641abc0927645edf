-- The table under names of FOCUS 1.2, as far as Cost Explorer can fill them: a row is an aggregate and no charge, and
-- nothing here claims conformance. Everything FOCUS has no name for begins with x_.
{create} {view} AS{open}
SELECT
{columns}
FROM {table}{close}
