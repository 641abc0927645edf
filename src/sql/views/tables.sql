-- Every table: its source, what its rows are by, its filter and account, and which columns may be added up over rows:
-- money of one currency, quantities only within one unit, savings only within one unit and series. Never add up tables of
-- different groupings.
{create} {view} AS{open}
{rows}{close}
