//! Every command, flag, key, metric, view, variable and path that a document names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use costlake::sources::{REGISTRY, keys};
use costlake::web::metrics::catalog::METRICS;

use super::blocks::{Piece, documents, pieces};
use super::readme::{commands, flags};
use super::reference::views;
use super::source::{files, read, root};

mod columns;

/// Languages of blocks whose lines are typed into a shell, or put into a file that runs commands.
const OF_COMMANDS: [&str; 6] = ["sh", "bash", "console", "shell", "yaml", "ini"];
/// Flags of other programs that a span may name alone.
const OF_OTHERS: [&str; 2] = ["--profile", "--build-arg"];
/// Folders of the repository.
const FOLDERS: [&str; 10] =
    ["src/", "schemas/", "tests/", "docs/", "deploy/", "packaging/", "examples/", "benches/", "fuzz/", "sql/"];

/// What a document has wrong, of one sort: each a line that says where.
type Check<'k> = &'k dyn Fn(&Path, &Piece<'_>) -> Option<String>;

/// The faults that a check finds in documents.
fn faults(documents: &[(PathBuf, String)], check: Check<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in documents {
        for piece in pieces(text) {
            let fault = check(path, &piece);
            found.extend(fault.map(|fault| format!("{}:{}: {fault}", path.display(), piece.line)));
        }
    }
    found
}

/// The faults in one made-up text.
fn faults_in(text: &str, check: Check<'_>) -> usize {
    faults(&[(PathBuf::from("docs/a_page.md"), text.to_owned())], check).len()
}

fn words(text: &str) -> Vec<&str> {
    text.split([' ', '(', ')', '`', '|', ',', '"', '\'', '[', ']']).filter(|word| !word.is_empty()).collect()
}

/// Whether a word stands for something: `COMMAND`, `<name>`, `…`.
fn is_placeholder(word: &str) -> bool {
    word.contains(['<', '…', '{', '*', '$']) || !word.contains(|c: char| c.is_ascii_lowercase())
}

/// The calls of a piece of code: name and text of each command.
fn calls(piece: &str) -> Vec<(&str, &str)> {
    let code = piece.split(" #").next().unwrap_or(piece);
    let parts = code.split([';', '&', '|']).flat_map(|part| part.split("$(")).flat_map(|part| part.split("<("));
    parts.filter_map(|part| called(part).map(|name| (name, part))).collect()
}

/// The word after `costlake` if this part of a line is a command.
fn called(part: &str) -> Option<&str> {
    let words = words(part);
    let is_setting =
        |word: &&&str| word.split_once('=').is_some_and(|(name, _)| !name.contains(|c: char| c.is_lowercase()));
    let set = words.iter().take_while(is_setting).count();
    let at = match words.get(set..)? {
        ["costlake", ..] => set,
        ["$", "costlake", ..] | ["exec", "costlake", ..] | ["uvx", "costlake", ..] => set + 1,
        ["cargo", "run", ..] => words.iter().position(|word| *word == "--")?,
        _ => return None,
    };
    let mut rest = words[at + 1..].iter().copied();
    // Options of every command may stand before its name.
    rest.find(|word| !word.starts_with('-')).filter(|word| !is_placeholder(word))
}

/// A call of a command that there is not, or with a flag that it does not take.
fn wrong_call(known: &BTreeMap<String, BTreeSet<String>>, piece: &Piece<'_>) -> Option<String> {
    if piece.language.is_some_and(|language| !OF_COMMANDS.contains(&language)) {
        return None;
    }
    // A message of the program, not a command.
    if piece.language.is_none() && piece.text.contains(": ") {
        return None;
    }
    calls(&piece.text).into_iter().find_map(|(name, part)| {
        let Some(own) = known.get(name) else { return Some(format!("there is no command {name}: {part}")) };
        let part = part.split_once(" -- ").map_or(part, |(_, after)| after);
        let unknown: Vec<String> = flags(part).difference(own).cloned().collect();
        (!unknown.is_empty()).then(|| format!("{name} does not take {unknown:?}"))
    })
}

#[test]
fn commands_and_flags_are_real() {
    let known = commands();
    let check = |_: &Path, piece: &Piece<'_>| wrong_call(&known, piece);
    assert_eq!(faults(&documents(), &check), Vec::<String>::new());
    for wrong in ["`costlake fly`", "`costlake run --high`", "```sh\nA=1 costlake plan; costlake run --high # x\n```\n"]
    {
        assert_eq!(faults_in(wrong, &check), 1, "{wrong}");
    }
    for right in [
        "`costlake run --dry-run`",
        "`costlake COMMAND --high`",
        "```sh\ndocker run costlake fly\n```\n",
        "costlake fly",
    ] {
        assert_eq!(faults_in(right, &check), 0, "{right}");
    }
    assert_eq!(called("cargo run --release -- demo --lake x"), Some("demo"));
}

#[test]
fn flags_alone_are_real() {
    let all: BTreeSet<String> = commands().into_values().flatten().collect();
    let check = |_: &Path, piece: &Piece<'_>| {
        let is_alone = piece.language.is_none() && piece.text.starts_with("--");
        let named = if is_alone { flags(&piece.text) } else { BTreeSet::new() };
        let unknown: Vec<String> =
            named.into_iter().filter(|flag| !all.contains(flag) && !OF_OTHERS.contains(&&**flag)).collect();
        (!unknown.is_empty()).then(|| format!("no command takes {unknown:?}"))
    };
    assert_eq!(faults(&documents(), &check), Vec::<String>::new());
    assert_eq!((faults_in("`--high`", &check), faults_in("`--dry-run` and `cargo --high`", &check)), (1, 0));
}

/// The dotted key that a span begins with.
fn dotted(text: &str) -> Option<&str> {
    let end = text.find([' ', '=', ',']).unwrap_or(text.len());
    let (section, name) = text[..end].split_once('.')?;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    // `lake.sql` is a file.
    let is_file = ["sql", "toml", "yml", "yaml", "json", "rs", "py", "md", "conf"].contains(&name);
    (is_word(section) && is_word(name) && !is_file && keys::is_section(section)).then_some(&text[..end])
}

#[test]
fn dotted_keys_are_real() {
    let known: BTreeSet<&str> = keys::all().iter().map(|key| key.path).collect();
    let check = |_: &Path, piece: &Piece<'_>| {
        let key = if piece.language.is_none() { dotted(&piece.text) } else { None };
        key.filter(|key| !known.contains(key)).map(|key| format!("there is no key {key}"))
    };
    assert_eq!(faults(&documents(), &check), Vec::<String>::new());
    for (text, number) in [
        ("`window.refersh`", 1),
        ("`window.refersh = \"probe\"`", 1),
        ("`window.refresh = \"probe\"`", 0),
        ("`aws.cost.amortized` and `other.key` and window.refersh", 0),
    ] {
        assert_eq!(faults_in(text, &check), number, "{text}");
    }
}

/// Words that begin with the name of the program: metrics, and views and macros of it.
fn unknown_metrics(text: &str) -> Vec<String> {
    let mut known: BTreeSet<String> = METRICS.iter().map(|metric| metric.series()).collect();
    known.extend(views::names());
    // A macro that serves others, and the DAG of deploy/airflow.
    known.extend(["costlake_run_records", "costlake_nightly"].map(str::to_owned));
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named = words.filter(|word| word.starts_with("costlake_"));
    // What ends in `_` begins several names: `costlake_cost_…`.
    let is_known =
        |word: &&str| known.contains(*word) || word.ends_with('_') && known.iter().any(|name| name.starts_with(*word));
    named.filter(|word| !is_known(word)).map(str::to_owned).collect()
}

#[test]
fn metrics_are_real() {
    for (path, text) in documents() {
        assert_eq!(unknown_metrics(&text), Vec::<String>::new(), "{}: no metric, view or macro", path.display());
    }
    let text = "costlake_days, costlake_cost_…, costlake_tables, costlake_nights, costlake_requests";
    assert_eq!(unknown_metrics(text), ["costlake_nights", "costlake_requests"]);
}

/// Names that may begin with a provider: sources, shipped jobs, their views, columns.
fn provided_names() -> BTreeSet<String> {
    let mut names = views::names();
    for entry in REGISTRY {
        names.insert(entry.name.to_owned());
        names.extend(entry.jobs.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("{name}_as_of")]));
        let columns = costlake::table::parse_schema(entry.schema).expect("a schema");
        names.extend(columns.into_iter().map(|column| column.name));
    }
    let page = read("docs/reference/views.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.extend(rows.map(str::to_owned));
    names.extend(keys::all().iter().filter_map(|key| Some(key.path.split_once('.')?.1.to_owned())));
    names
}

/// The names of job files that a document makes.
fn made(text: &str) -> BTreeSet<&str> {
    let after_init = text.split("costlake init ").skip(1).filter_map(|rest| rest.split([' ', '`', '\n', '.']).next());
    let files = text.split(".toml").filter_map(|before| before.rsplit(['/', ' ', '`', '\n', '"', '(']).next());
    after_init.chain(files).filter(|name| !name.is_empty()).collect()
}

#[test]
fn sources_tables_and_views_are_real() {
    let known = provided_names();
    // Tasks of the DAG and variables of the module have such names as well.
    let deployed: String = files("deploy").into_iter().map(read).collect();
    let check_all = |documents: &[(PathBuf, String)]| {
        let mut found = Vec::new();
        for document in documents {
            let own = made(&document.1);
            let check = |_: &Path, piece: &Piece<'_>| {
                let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                let is_ours = ["aws_cost", "aws_savings", "aws_reservation", "aws_ai", "datadog_"]
                    .iter()
                    .any(|start| piece.text.starts_with(start));
                let is_one = piece.language.is_none() && is_ours && piece.text.chars().all(is_name);
                let is_known = known.contains(&piece.text)
                    || deployed.contains(&*piece.text)
                    || own.iter().any(|name| piece.text.starts_with(name));
                (is_one && !is_known).then(|| format!("{} is no source, table, view or column", piece.text))
            };
            found.extend(faults(std::slice::from_ref(document), &check));
        }
        found
    };
    assert_eq!(check_all(&documents()), Vec::<String>::new());
    let page = |text: &str| check_all(&[(PathBuf::from("docs/a_page.md"), text.to_owned())]).len();
    assert_eq!(page("`aws_cost_and_usge` and `aws_cost_by_service_by_mnth`"), 2);
    assert_eq!(
        page("`aws_cost_and_usage`, `aws_cost_by_service_by_month`; `jobs/aws_costs.toml` and `aws_costs_by_month`"),
        0
    );
}

#[test]
fn paths_of_the_repository_are_real() {
    let check = |_: &Path, piece: &Piece<'_>| {
        let path = piece.text.split([' ', '#', ':']).next().unwrap_or_default();
        let is_ours = FOLDERS.iter().any(|folder| path.starts_with(folder));
        let is_one = piece.language.is_none() && is_ours && !path.contains(['<', '*', '{', '…', '$']);
        (is_one && !root().join(path).exists()).then(|| format!("{path} is not there"))
    };
    assert_eq!(faults(&documents(), &check), Vec::<String>::new());
    assert_eq!(faults_in("`src/nowhere.rs` `src/lib.rs` `deploy/*.md` and src/nowhere", &check), 1);
}

/// Every file that may read a variable of the program, of its tests or of its deployment.
fn sources() -> String {
    let below = ["src", "tests", "deploy", "packaging", "benches", "fuzz"].into_iter().flat_map(files);
    let is_text = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        ["rs", "py", "sh", "yml", "yaml", "tf", "example", ""].contains(&extension)
    };
    let others = ["Dockerfile", "docker-compose.yml", ".ci/run"].map(PathBuf::from);
    let texts = below.filter(is_text).chain(others).filter_map(|path| std::fs::read_to_string(root().join(path)).ok());
    texts.collect::<Vec<_>>().join("\n")
}

/// Variables of the program that nothing reads.
fn unknown_variables(text: &str, sources: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named = words.filter(|word| word.starts_with("COSTLAKE_") && !word.ends_with('_'));
    named.filter(|word| !sources.contains(*word)).map(str::to_owned).collect()
}

#[test]
fn variables_are_real() {
    let sources = sources();
    for (path, text) in documents() {
        assert_eq!(unknown_variables(&text, &sources), Vec::<String>::new(), "{}: nothing reads it", path.display());
    }
    assert_eq!(
        unknown_variables("COSTLAKE_LAKE, COSTLAKE_FLYING", &sources.replace("COSTLAKE_FLYING", "")),
        ["COSTLAKE_FLYING"]
    );
    assert!(read("docs/reference/environment.md").contains("COSTLAKE_LAKE"));
}
