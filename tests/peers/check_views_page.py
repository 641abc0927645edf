"""docs/reference/views.md: every view and macro that `costlake connect` makes for the shipped jobs, with its columns as DuckDB
describes them. COSTLAKE_BLESS=1 writes the page anew. What each is for and an answer of each are in docs/sql.md.
"""

import os
import re

import lake

NOW = "2026-11-20T12:00:00Z"
PAGE = lake.REPOSITORY / "docs" / "reference" / "views.md"
QUESTIONS = lake.REPOSITORY / "docs" / "sql.md"

# Of each kind: title, pattern of names as in the table of docs/sql.md, the names of it, the heading there that has an answer.
# The first kind that fits has the view.
KINDS = [
    ("Cost by month", "<table>_by_month", r".*_by_month", "cost-by-month"),
    ("Movers", "<table>_movers", r".*_movers", "movers-of-a-day"),
    ("Unallocated cost", "<table>_unallocated", r".*_unallocated", "unallocated-cost"),
    ("Charged beside amortized", "<table>_amortized", r".*_amortized", "charged-beside-amortized"),
    ("Savings rate", "<table>_savings_rate", r".*_savings_rate", "savings-rate"),
    ("Tokens", "<table>_tokens", r".*_tokens", "ai-models-and-their-tokens"),
    ("FOCUS", "<table>_focus_1_2", r".*_focus_1_2", None),
    ("Unused commitment", "<plans>_and_<reservations>_unused", r".*_and_.*_unused", "unused-commitment-in-money"),
    ("Gap in coverage", "<plans>_and_<reservations>_gap", r".*_and_.*_gap", "coverage-and-its-gap"),
    ("Commitments and savings", "<commitments>_and_<savings>", r"datadog_commitments_and_.*", "commitments-and-what-they-save"),
    ("Savings Plans on both sides", "<plans>_and_<utilization>", r"aws_savings_plans_.*_and_.*", "savings-plans-on-both-sides"),
    ("Reservations on both sides", "<reservations>_and_<utilization>", r"aws_reservation_.*_and_.*", "reservations-on-both-sides"),
    ("Expiring commitments", "<table>_expiring", r".*_expiring", "commitments-and-what-they-save"),
    ("Budgets", "<table>_against_actual", r".*_against_actual", "budgets"),
    ("Forecast by horizon", "<forecast>_against_<costs>_by_horizon", r".*_forecast_against_.*_by_horizon", "forecast-and-what-came"),
    ("Forecast against costs", "<forecast>_against_<costs>", r".*_forecast_against_.*", "forecast-and-what-came"),
    ("Agreement of tables", "costlake_agreement", r"costlake_agreement", "do-tables-agree"),
    ("Tables", "costlake_tables", r"costlake_tables", "what-may-be-added-up"),
    ("Runs", "costlake_runs", r"costlake_runs", "what-asking-cost"),
    ("Cost of asking", "costlake_api_spend", r"costlake_api_spend", "what-asking-cost"),
    ("Revisions", "cost_revisions", r"cost_revisions", "what-changed-since"),
    ("Generations", "costlake_generations", r"costlake_generations", None),
    ("Changed since", "costlake_changed_since", r"costlake_changed_since", "what-changed-since"),
    ("As of a moment", "<table>_as_of", r".*_as_of", None),
]
# Questions of those that have one row together in docs/sql.md.
ALONE = {
    "<forecast>_against_<costs>": "what was predicted, and what came?",
    "<forecast>_against_<costs>_by_horizon": "how far off were predictions, by days ahead?",
    "<table>_focus_1_2": "what is the table under the names of [FOCUS](../focus.md)?",
    "costlake_runs": "what did every run do, ask and pay?",
    "costlake_api_spend": "what did asking cost, by month and table?",
    "cost_revisions": "which days changed after they had been read, when, and by how much?",
    "costlake_generations": "which states of each month were committed, and when?",
    "costlake_changed_since": "which days changed since a moment?",
    "<table>_as_of": "what did the table say at the end of a day, or at an instant?",
}
ARGUMENTS = {"costlake_changed_since": "('2026-11-01')", "_as_of": "('2026-11-19')"}
HEAD = """# Views

What `costlake connect` and `costlake ddl` make besides one view or table per job: names, and columns with their types in
DuckDB. What each is for, with queries and answers, is in [Asking the lake in SQL](../sql.md); which engine has which, too.
A view is there for tables that have its columns. Columns of groups, metrics and tags follow the job: those below are of
a view of `aws_cost_by_service` where it has one, otherwise of the first view that is named.
"""


def questions():
    """The question of each pattern, from the table of docs/sql.md."""
    found = {}
    for row in re.findall(r"^\| (`.*) \| .* \| (.*) \|$", QUESTIONS.read_text(), re.MULTILINE):
        found |= {name: row[1] for name in re.findall(r"`([^`]+)`", row[0])}
    return found


def folded(text):
    """Text in lines of at most 120 columns."""
    lines = [""]
    for word in re.findall(r"\[[^]]*\]\S*|\S+", text):
        if len(lines[-1]) + 1 + len(word) > 120:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines) + "\n"


def described(db, name):
    """Columns and types of a view, or of what a macro answers."""
    arguments = next((text for end, text in ARGUMENTS.items() if name.endswith(end)), "")
    return [row[:2] for row in db.sql(f"DESCRIBE SELECT * FROM {name}{arguments}").fetchall()]


def names_in(db, jobs):
    """Views and table macros, without those of the tables themselves and what serves others."""
    views = [row[0] for row in db.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()]
    macros = [row[0] for row in db.sql("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'table_macro' AND NOT internal").fetchall()]
    hidden = re.compile(r"costlake_run_records|.* .*")
    return sorted(name for name in {*views, *macros} if name not in jobs and not hidden.fullmatch(name))


def section(db, kind, names, question):
    title, pattern, _, heading = kind
    link = f" [Queries and answers](../sql.md#{heading})." if heading else ""
    text = f"\n## {title}\n\n" + folded(f"`{pattern}`: {question}{link}")
    if pattern != names[0]:
        text += "\n" + folded("With the shipped jobs: " + ", ".join(f"`{name}`" for name in names) + ".")
    shown = next((name for name in names if name.startswith("aws_cost_by_service")), names[0])
    rows = "".join(f"| `{column}` | {kind.lower()} |\n" for column, kind in described(db, shown))
    return f"{text}\n| column | type |\n|---|---|\n{rows}"


def page(group, db, jobs):
    left, asked, text = names_in(db, jobs), questions(), HEAD
    for kind in KINDS:
        names = [name for name in left if re.fullmatch(kind[2], name)]
        group.true(names, f"no view is {kind[1]}")
        left = [name for name in left if name not in names]
        if names:
            question = ALONE.get(kind[1]) or asked.get(kind[1])
            group.true(question, f"no question of {kind[1]}")
            text += section(db, kind, names, question)
    group.equal(left, [], "views of no kind")
    return text


def check(tally, stack):
    import duckdb

    home = lake.temporary("views_page")
    costlake = lake.Costlake(NOW)
    costlake.run("demo", lake=home / "lake")
    db = stack.enter_context(duckdb.connect())
    os.chdir(home)
    db.execute(costlake.run("connect", lake=home / "lake").out)
    jobs = {file.stem for file in lake.JOBS.glob("*.toml")}
    with tally.group("docs/reference/views.md has every view with its columns") as group:
        text = page(group, db, jobs)
        if os.environ.get("COSTLAKE_BLESS"):
            PAGE.write_text(text)
        group.equal(PAGE.read_text() if PAGE.exists() else "", text, "the page; COSTLAKE_BLESS=1 tests/peers/run.sh views_page writes it")


if __name__ == "__main__":
    lake.main(check)
