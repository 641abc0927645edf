//! `completions`: what clap writes for a shell, and a few lines that complete names of jobs and tables by asking the
//! hidden command `names` once somebody presses the key.

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::args::Arguments;
use super::screen;

/// Names, where there are any, take the place of what clap knows of an argument, which is only its placeholder.
const BASH: &str = r#"
_costlake_and_names() {
    _costlake "$@"
    local cur="${COMP_WORDS[COMP_CWORD]}" names
    [[ $cur == -* ]] && return 0
    names=$("${COMP_WORDS[0]}" names -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null) || return 0
    if [[ -n $names ]]; then
        COMPREPLY=( $(compgen -W "$names" -- "$cur") )
    fi
    return 0
}
complete -F _costlake_and_names -o bashdefault -o default costlake
"#;

const ZSH: &str = r#"
_costlake_names() {
    local -a found
    found=(${(f)"$(costlake names -- "${(@)words[1,CURRENT-1]}" 2>/dev/null)"})
    compadd -a found
    (( $#found )) || _default "$@"
}
"#;

/// What completes names in fish.
const FISH: &str = r"-f -a '(costlake names -- (commandline -opc)[2..] 2>/dev/null)'";

/// `costlake completions`.
pub(super) fn print(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(&Arguments::command()), "costlake", &mut script);
    screen::out(with_names(shell, &String::from_utf8_lossy(&script)).trim_end());
}

/// The program without its hidden commands, which nobody is to type.
pub(super) fn shown(all: &Command) -> Command {
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let own = Command::new("costlake").version(env!("CARGO_PKG_VERSION")).propagate_version(true);
    own.args(all.get_arguments().cloned()).subcommands(commands)
}

fn with_names(shell: Shell, script: &str) -> String {
    match shell {
        Shell::Bash => format!("{}\n{BASH}", script.trim_end()),
        Shell::Fish => in_fish(script),
        Shell::Zsh => in_zsh(script),
        _ => script.to_owned(),
    }
}

/// In fish the values of a flag are its own; everything else is one line.
fn in_fish(script: &str) -> String {
    let is_of_job = |line: &str| [" -l job -", " -l accept -"].iter().any(|flag| line.contains(flag));
    let line = |line: &str| if is_of_job(line) { format!("{line} {FISH}") } else { line.to_owned() };
    let lines: Vec<String> = script.lines().map(line).collect();
    let is_no_flag = r#"-n 'not string match -q -- "-*" (commandline -ct)'"#;
    format!("{}\ncomplete -c costlake {is_no_flag} {FISH}\n", lines.join("\n"))
}

/// In zsh every argument has an action of its own: those that take names get ours. The functions go before the line that
/// calls the script's own.
fn in_zsh(script: &str) -> String {
    const PLACES: [&str; 6] = ["'*::jobs -- ", "'*:jobs -- ", "':job -- ", "':table -- ", "'--job=[", "'*--accept=["];
    let line = |line: &str| {
        if PLACES.iter().any(|place| line.trim_start().starts_with(place)) {
            // Two colons would hide the words before the jobs from the action; the colon of JOB:YYYY-MM would end the
            // message, and the rest be run as a command.
            let line = line.replacen("'*::jobs", "'*:jobs", 1).replace(":JOB:YYYY-MM:", ":JOB\\:YYYY-MM:");
            line.replace(":_default'", ":_costlake_names'")
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<String> = script.lines().map(line).collect();
    lines.join("\n").replacen("\n_costlake() {", &format!("{ZSH}\n_costlake() {{"), 1)
}
