//! Weaves many mutants into one program, so that hundreds of them cost one build.
//!
//!   weave TREE CHOICE MUTANTS.json OMITTED       prints what was woven, one `number<TAB>name` a line
//!
//! MUTANTS.json is what `cargo mutants --list --json` says, and their numbers are their places in it, from 1. Each place that a
//! mutant changes asks the file CHOICE, once for each process, whether it is the one to be. The files of TREE are changed in
//! place and keep their lines. Of the lines of OMITTED the first word is the number of a mutant that is left out: those that
//! the compiler refuses.
//!
//! | mutant | woven as |
//! |---|---|
//! | another body | `if mutated(n) { return …; }` before the body |
//! | another operator | both operands once, then one operator or the other |
//! | a guard that is true or false | `mutated(n) \|\| !mutated(m) && (guard)` |
//! | an arm left out | a guard that is false |
//! | an operator left out | the operand with it or without |
//!
//! A field left out of a struct, and what stands in constants or beside `let` in a condition, is not woven.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use proc_macro2::{LineColumn, Span};
use serde_json::Value;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A mutant of one file.
struct Mutant {
    number: usize,
    genre: String,
    replacement: String,
}

/// By the place where the span of cargo-mutants begins: line, and column from 1.
type Places = BTreeMap<(usize, usize), Vec<Mutant>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tree, choice, list, omitted] = arguments.as_slice() else {
        return Err("weave TREE CHOICE MUTANTS.json OMITTED".into());
    };
    let omitted: Vec<usize> =
        fs::read_to_string(omitted)?.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    let all: Vec<Value> = serde_json::from_str(&fs::read_to_string(list)?)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut files: BTreeMap<String, Places> = BTreeMap::new();
    for (index, mutant) in all.iter().enumerate().filter(|(index, _)| !omitted.contains(&(index + 1))) {
        let start = &mutant["span"]["start"];
        let place = (number(&start["line"]), number(&start["column"]));
        let known =
            Mutant { number: index + 1, genre: text(&mutant["genre"]), replacement: text(&mutant["replacement"]) };
        files.entry(text(&mutant["file"])).or_default().entry(place).or_default().push(known);
    }
    let mut woven = Vec::new();
    for (file, places) in files {
        let path = Path::new(tree).join(&file);
        let source = fs::read_to_string(&path)?;
        let mut weaver = Weaver { places: &places, edits: Vec::new(), woven: Vec::new() };
        weaver.visit_file(&syn::parse_file(&source)?);
        fs::write(&path, applied(&source, weaver.edits))?;
        woven.extend(weaver.woven);
    }
    let root = Path::new(tree).join("src/lib.rs");
    let mut source = fs::read_to_string(&root)?;
    source.push_str(&switch(choice, all.len()));
    fs::write(root, source)?;
    woven.sort_unstable();
    for index in woven {
        println!("{index}\t{}", text(&all[index - 1]["name"]));
    }
    Ok(())
}

fn number(value: &Value) -> usize {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}

/// What every woven place asks.
fn switch(choice: &str, count: usize) -> String {
    SWITCH.replace("CHOICE_FILE", &format!("{choice:?}")).replace("COUNT", &(count + 1).to_string())
}

/// Two words of it are put in by [`switch`].
const SWITCH: &str = r#"
/// Whether this process is the mutant of that number. Told to write down what is reached, it is none.
#[allow(clippy::all)]
pub fn mutated(number: u32) -> bool {
    use std::io::Write as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    static CHOSEN: std::sync::LazyLock<Result<u32, String>> = std::sync::LazyLock::new(|| {
        let text = std::fs::read_to_string(CHOICE_FILE).unwrap_or_default();
        text.trim().strip_prefix("reached ").map_or(Ok(text.trim().parse().unwrap_or(0)), |path| Err(path.to_owned()))
    });
    static SEEN: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];
    match &*CHOSEN {
        Ok(chosen) => *chosen == number,
        Err(path) => {
            let seen = SEEN.get(number as usize).is_none_or(|seen| seen.swap(true, Ordering::Relaxed));
            if !seen && let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(path) {
                drop(file.write_all(format!("{number}\n").as_bytes()));
            }
            false
        }
    }
}
"#;

/// Text put in at a place; with `until`, in place of what stands up to there. Later edits of one place come first when
/// they are `outer`: they belong to the expression that holds the other.
struct Edit {
    at: LineColumn,
    until: Option<LineColumn>,
    text: String,
    opens: bool,
    order: usize,
}

struct Weaver<'a> {
    places: &'a Places,
    edits: Vec<Edit>,
    woven: Vec<usize>,
}

impl<'a> Weaver<'a> {
    fn at(&mut self, span: Span, genre: &str) -> Vec<&'a Mutant> {
        let start = span.start();
        let found: Vec<&Mutant> = self
            .places
            .get(&(start.line, start.column + 1))
            .map_or_else(Vec::new, |all| all.iter().filter(|mutant| mutant.genre == genre).collect());
        self.woven.extend(found.iter().map(|mutant| mutant.number));
        found
    }

    fn edit(&mut self, at: LineColumn, until: Option<LineColumn>, text: String, opens: bool) {
        let order = self.edits.len();
        self.edits.push(Edit { at, until, text, opens, order });
    }

    fn around(&mut self, span: Span, before: String, after: String) {
        self.edit(span.start(), None, before, true);
        self.edit(span.end(), None, after, false);
    }

    fn body(&mut self, block: &syn::Block) {
        let Some(first) = block.stmts.first() else { return };
        for mutant in self.at(first.span(), "FnValue") {
            let text = format!("if crate::mutated({}) {{ return {}; }} ", mutant.number, mutant.replacement);
            self.edit(first.span().start(), None, text, true);
        }
    }

    fn binary(&mut self, whole: &syn::ExprBinary) {
        let mutants = self.places.get(&place(whole.op.span())).map_or(&[][..], Vec::as_slice);
        if mutants.is_empty() || holds_let(&whole.left) || holds_let(&whole.right) {
            return;
        }
        let mutants = self.at(whole.op.span(), "BinaryOperator");
        let (op, op_end) = (whole.op.span().start(), Some(whole.op.span().end()));
        let sign = operator(&whole.op);
        let chain = |left: &str, right: &str| {
            let each = |mutant: &&Mutant| {
                format!("if crate::mutated({}) {{ {left} {} {right} }} else ", mutant.number, mutant.replacement)
            };
            mutants.iter().map(each).collect::<String>() + &format!("{{ {left} {sign} {right} }}")
        };
        match whole.op {
            syn::BinOp::And(_) | syn::BinOp::Or(_) => {
                let Some(mutant) = mutants.first() else { return };
                let takes_other = if sign == "&&" { "!=" } else { "==" };
                self.around(whole.span(), "({ let __l = ".to_owned(), " } else { __l } })".to_owned());
                self.edit(op, op_end, format!("; if __l {takes_other} crate::mutated({}) {{ ", mutant.number), false);
            }
            syn::BinOp::Eq(_)
            | syn::BinOp::Ne(_)
            | syn::BinOp::Lt(_)
            | syn::BinOp::Le(_)
            | syn::BinOp::Gt(_)
            | syn::BinOp::Ge(_) => {
                let after = format!(")) {{ (__l, __r) => {} }})", chain("__l", "__r"));
                self.around(whole.span(), "(match (&(".to_owned(), after);
                self.edit(op, op_end, "), &(".to_owned(), false);
            }
            _ if sign.ends_with('=') => {
                let after = format!(") {{ (__l, __r) => {} }})", chain("*__l", "__r"));
                self.around(whole.span(), "(match (&mut ".to_owned(), after);
                self.edit(op, op_end, ", ".to_owned(), false);
            }
            _ => {
                let after = format!(")) {{ (__l, __r) => {} }})", chain("__l", "__r"));
                self.around(whole.span(), "(match ((".to_owned(), after);
                self.edit(op, op_end, "), (".to_owned(), false);
            }
        }
    }
}

fn place(span: Span) -> (usize, usize) {
    (span.start().line, span.start().column + 1)
}

fn operator(op: &syn::BinOp) -> String {
    op.span().source_text().unwrap_or_default()
}

/// Whether a condition binds names.
fn holds_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => holds_let(&binary.left) || holds_let(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Weaver<'_> {
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}

    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if item.sig.constness.is_none() {
            self.body(&item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if item.sig.constness.is_none() {
            self.body(&item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_expr_binary(&mut self, whole: &'ast syn::ExprBinary) {
        self.binary(whole);
        visit::visit_expr_binary(self, whole);
    }

    fn visit_expr_unary(&mut self, whole: &'ast syn::ExprUnary) {
        for mutant in self.at(whole.op.span(), "UnaryOperator") {
            let sign = whole.op.span().source_text().unwrap_or_default();
            let after = format!(" {{ __v => if crate::mutated({}) {{ __v }} else {{ {sign}__v }} }})", mutant.number);
            self.edit(whole.op.span().start(), Some(whole.op.span().end()), "(match ".to_owned(), true);
            self.edit(whole.span().end(), None, after, false);
        }
        visit::visit_expr_unary(self, whole);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let left_out = self.at(arm.pat.span(), "MatchArm");
        let present: String = left_out.iter().map(|mutant| format!("!crate::mutated({}) && ", mutant.number)).collect();
        match &arm.guard {
            Some((_, guard)) if !holds_let(guard) => {
                let set = self.at(guard.span(), "MatchArmGuard");
                let of = |value: &str| {
                    set.iter().find(|mutant| mutant.replacement == value).map_or(0, |mutant| mutant.number)
                };
                if !set.is_empty() || !present.is_empty() {
                    let (yes, no) = (of("true"), of("false"));
                    let never = |number: usize| {
                        if number == 0 { "false".to_owned() } else { format!("crate::mutated({number})") }
                    };
                    let before = format!("{present}({} || !{} && (", never(yes), never(no));
                    self.around(guard.span(), before, "))".to_owned());
                }
            }
            Some(_) => self.woven.retain(|number| left_out.iter().all(|mutant| mutant.number != *number)),
            None if !present.is_empty() => {
                self.edit(arm.pat.span().end(), None, format!(" if {present}true"), false);
            }
            None => {}
        }
        visit::visit_arm(self, arm);
    }
}

/// The source with the edits. What opens stands outermost first, what closes innermost first.
fn applied(source: &str, mut edits: Vec<Edit>) -> String {
    let lines: Vec<&str> = source.split_inclusive('\n').collect();
    let mut starts = vec![0];
    for line in &lines {
        starts.push(starts.last().copied().unwrap_or_default() + line.len());
    }
    let offset = |place: LineColumn| {
        let line = lines[place.line - 1];
        starts[place.line - 1] + line.char_indices().nth(place.column).map_or(line.len(), |(at, _)| at)
    };
    // Outer expressions are visited first.
    edits.sort_by_key(|edit| {
        let order = i64::try_from(edit.order).unwrap_or_default();
        (offset(edit.at), edit.opens, if edit.opens { order } else { -order })
    });
    let (mut text, mut from) = (String::new(), 0);
    for edit in edits {
        let at = offset(edit.at);
        text.push_str(&source[from..at]);
        text.push_str(&edit.text);
        from = edit.until.map_or(at, offset);
    }
    text.push_str(&source[from..]);
    text
}
