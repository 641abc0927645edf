-- Do the daily tables of one account and filter say the same? By day and metric the least and the greatest of their
-- totals, how far they are apart, and the likely reason. Tables of different filters are not compared.
{create} {view} AS{open}
{parts}{close}
