//! Where AWS credentials are to come from, and what to do where they do not come, in the order of the SDK's chain
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>).
//!
//! | what is set | what to do |
//! |---|---|
//! | `sso_session` or `sso_start_url` of the profile | `aws sso login --profile P` |
//! | `login_session` of the profile | `aws login --profile P` |
//! | `credential_process` of the profile | run that program by hand |
//! | `web_identity_token_file` of the profile, or `AWS_WEB_IDENTITY_TOKEN_FILE` | look at the file, and at the role's trust |
//! | the variables of a container's agent | look at the role of the task or pod |
//! | nothing | set something of the above |

use std::fs;
use std::path::PathBuf;

use aws_config::profile::Profile;

use crate::error::{Error, Kind};

use super::config::provider_silent;
use super::profiles;

/// What an error says first, whatever the credentials were to come from.
const NONE: &str = "there are no AWS credentials to use";
/// Errors of IAM Identity Center that another try may not meet.
const BUSY: [&str; 4] =
    ["TooManyRequestsException", "ThrottlingException", "SlowDownException", "InternalServerException"];
/// Larger files hold no profiles.
const LARGEST: u64 = 1 << 20;

/// What the SDK says, without its notation for errors that it has no name for:
/// `unhandled error (X): Error { code: "X", message: "m" }` becomes `X: m`.
pub(super) fn plain(why: String) -> String {
    let parts = || {
        let (before, rest) = why.split_once("unhandled error (")?;
        let (code, rest) = rest.split_once("): Error {")?;
        let (fields, after) = rest.split_once('}')?;
        let message = fields.split_once("message: \"").and_then(|(_, text)| text.split_once('"'));
        let message = message.map(|(text, _)| format!(": {text}")).unwrap_or_default();
        Some(format!("{before}{code}{message}{after}"))
    };
    parts().unwrap_or(why)
}

/// The error for what is set wrong whatever the SDK has tried since: a profile that is not there, half of a key.
pub(super) async fn certain(profile: Option<&str>) -> Option<Error> {
    let is_set = |name: &str| std::env::var(name).is_ok_and(|text| !text.trim().is_empty());
    if is_set("AWS_ACCESS_KEY_ID") && !is_set("AWS_SECRET_ACCESS_KEY") {
        let half = format!("{NONE}: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not");
        return Some(Error::new(Kind::Auth, half).advise("set both, or neither"));
    }
    let others = profiles::without_selected(profile).await?;
    (profile.is_some() || is_set("AWS_PROFILE")).then(|| no_such_profile(&profiles::selected(profile), others))
}

/// The error for credentials that do not come. `why` is what the SDK says of it, as far as it tells cases apart.
pub(super) async fn missing(profile: Option<&str>, why: &str) -> Error {
    let lookup = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    if let Some((name, section)) = profiles::source(profile).await
        && let Some(error) = of_profile(&name, &section, why)
    {
        return error;
    }
    let error = |message: &str| Error::new(Kind::Auth, format!("{NONE}: {message}"));
    if let Some(file) = lookup("AWS_WEB_IDENTITY_TOKEN_FILE") {
        return error("the role of AWS_ROLE_ARN is not given for the token of AWS_WEB_IDENTITY_TOKEN_FILE")
            .at("file", file)
            .advise(OF_WEB_IDENTITY);
    }
    for name in ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
        if lookup(name).is_some() {
            return error("the agent of the container gives none")
                .at("variable", name)
                .advise("give the task (ECS) or the pod's service account (EKS) a role, and see that the agent runs");
        }
    }
    Error::new(Kind::Auth, NONE).advise(
        "set AWS_PROFILE (after `aws sso login` where you use SSO), AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached",
    )
}

/// The error for a profile that the files do not have; `others` are those they have.
fn no_such_profile(name: &str, mut others: Vec<String>) -> Error {
    others.sort();
    let there = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    let files: Vec<String> = files().into_iter().map(|path| path.display().to_string()).collect();
    let error = Error::new(Kind::Auth, format!("{NONE}: there is no AWS profile `{name}`"))
        .at("files", files.join(" and "))
        .at("profiles there", there);
    error.advise("set AWS_PROFILE, or aws.profile of the job, to one of them, or make it with `aws configure sso`")
}

/// The error for a profile whose role AWS STS does not give.
pub(super) fn refused_role(profile: Option<&str>) -> Error {
    let name = profiles::selected(profile);
    let message = format!("the role of the AWS profile `{name}` cannot be assumed");
    let error = Error::new(Kind::Auth, message)
        .advise("check that the role's trust policy names the caller, and that external_id of the profile fits it");
    at(error, &name, "role_arn")
}

const OF_WEB_IDENTITY: &str = "see that the file is there and can be read, and that the role's trust policy names the issuer, audience and \
                               subject of its token (in EKS: that the service account is annotated with the role)";

/// The error for a profile that names where its credentials come from.
fn of_profile(name: &str, profile: &Profile, why: &str) -> Option<Error> {
    let key = ["sso_session", "sso_start_url", "login_session", "credential_process", "web_identity_token_file"]
        .into_iter()
        .find(|key| profile.get(key).is_some())?;
    let of_profile = match name {
        "default" => String::new(),
        name => format!(" --profile {name}"),
    };
    if BUSY.iter().any(|busy| why.contains(busy)) {
        return Some(provider_silent());
    }
    let (what, advice) = match key {
        "sso_session" | "sso_start_url" if why.contains("ForbiddenException") => (
            "its sign-in is good, but the account or the role of it is not for this user",
            "correct sso_account_id and sso_role_name, or have the permission set assigned".to_owned(),
        ),
        "sso_session" | "sso_start_url" => {
            ("its SSO sign-in has ended, or has not been made here", format!("run `aws sso login{of_profile}`, then run again"))
        }
        "login_session" => {
            ("its sign-in has ended, or has not been made here", format!("run `aws login{of_profile}`, then run again"))
        }
        "credential_process" => (
            "its program gives none",
            "run the program of that line by hand: it is to end with 0 and to print JSON with Version 1, AccessKeyId and SecretAccessKey"
                .to_owned(),
        ),
        _ => ("no role is given for the token in its file", OF_WEB_IDENTITY.to_owned()),
    };
    let error = Error::new(Kind::Auth, format!("{NONE}: of the AWS profile `{name}`, {what}")).advise(advice);
    Some(at(error, name, key))
}

/// The error with file and line of a key of a profile.
fn at(error: Error, profile: &str, key: &str) -> Error {
    match place(profile, key) {
        Some((file, line)) => error.at("file", file.display()).at("line", line),
        None => error,
    }
}

/// The files of the profiles, whether they are there or not.
pub(super) fn files() -> Vec<PathBuf> {
    let file = |variable: &str, usual: &str| {
        std::env::var_os(variable).map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(usual)))
    };
    let files = [file("AWS_CONFIG_FILE", ".aws/config"), file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];
    files.into_iter().flatten().collect()
}

/// File and line of a key of a profile.
fn place(profile: &str, key: &str) -> Option<(PathBuf, usize)> {
    files().into_iter().find_map(|path| {
        let is_small = fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
        let text = if is_small { fs::read_to_string(&path).ok()? } else { return None };
        Some((path, line_of(&text, profile, key)?))
    })
}

/// The line, from 1, of a key in the section of a profile.
fn line_of(text: &str, profile: &str, key: &str) -> Option<usize> {
    let mut is_inside = false;
    text.lines().enumerate().find_map(|(index, line)| {
        if let Some(section) = line.trim_start().strip_prefix('[') {
            let section = section.split(']').next().unwrap_or_default().trim();
            is_inside = section.strip_prefix("profile ").unwrap_or(section).trim() == profile;
        }
        let named = line.split_once('=').map(|(name, _)| name.trim());
        (is_inside && named == Some(key)).then_some(index + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::{line_of, plain};

    #[test]
    fn an_error_without_a_name_is_told_plainly() {
        for (said, told) in [
            (
                "service error: unhandled error (ForbiddenException): Error { code: \"ForbiddenException\", message: \"No access\" }",
                "service error: ForbiddenException: No access",
            ),
            ("unhandled error (X): Error { code: \"X\", aws_request_id: \"r\" }: more", "X: more"),
            ("unhandled error", "unhandled error"),
            ("unhandled error (X): odd", "unhandled error (X): odd"),
        ] {
            assert_eq!(plain(said.to_owned()), told);
        }
    }

    #[test]
    fn a_key_of_a_profile_has_a_line() {
        let text = "# x\n[default]\nregion = a\n\n[profile work]\nsso_session=corp\n[sso-session corp]\nregion = b\n[old]\nregion=c\n";
        for (profile, key, line) in [
            ("default", "region", Some(3)),
            ("work", "sso_session", Some(6)),
            ("work", "region", None),
            ("old", "region", Some(10)),
            ("nobody", "region", None),
        ] {
            assert_eq!(line_of(text, profile, key), line, "{profile} {key}");
        }
    }
}
