//! AWS STS: `GetCallerIdentity` and `AssumeRole`. A role of any account can be assumed, except that the name
//! `costlake-denied` is denied to everybody, and a name that ends in `-external` to those without [`EXTERNAL_ID`].

use std::collections::HashMap;

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};

use super::credentials::{Caller, Role, Unusable};
use super::organisations::Payer;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The role that nobody may assume.
const DENIED: &str = "costlake-denied";
/// The external id that roles ask for whose names end in `-external`.
const EXTERNAL_ID: &str = "sandbox-external-id";

type Form = HashMap<String, String>;

struct Refused {
    status: StatusCode,
    code: &'static str,
    words: String,
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, words: impl Into<String>) -> Self {
        Self { status, code, words: words.into() }
    }

    fn invalid(words: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationError", words)
    }

    fn body(&self, request_id: &str) -> String {
        let Self { code, words, .. } = self;
        format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>\n    <Type>Sender</Type>\n    <Code>{code}</Code>\n    \
             <Message>{words}</Message>\n  </Error>\n  <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n"
        )
    }
}

/// The answer to a posted form at a time of the machine's clock, by which clients judge when credentials expire.
pub(super) fn answer(
    form: &[u8],
    caller: &Result<Caller, Unusable>,
    now: DateTime<Utc>,
    request_id: &str,
) -> (StatusCode, String) {
    let form = read(form);
    let action = form.get("Action").map_or("", String::as_str);
    let result = match action {
        "GetCallerIdentity" => known(caller).map(identity),
        "AssumeRole" => known(caller).and_then(|caller| assume_role(&form, caller, now)),
        _ => {
            let words = "The sandbox knows AssumeRole and GetCallerIdentity only.";
            Err(Refused::new(StatusCode::BAD_REQUEST, "InvalidAction", words))
        }
    };
    match result {
        Ok(result) => {
            let body = format!(
                "<{action}Response xmlns=\"{NAMESPACE}\">\n  <{action}Result>\n{result}  </{action}Result>\n  \
                 <ResponseMetadata>\n    <RequestId>{request_id}</RequestId>\n  </ResponseMetadata>\n</{action}Response>\n"
            );
            (StatusCode::OK, body)
        }
        Err(refused) => (refused.status, refused.body(request_id)),
    }
}

/// The members of a form.
fn read(form: &[u8]) -> Form {
    let Ok(mut url) = reqwest::Url::parse("http://sandbox/") else { return Form::new() };
    url.set_query(Some(&String::from_utf8_lossy(form)));
    url.query_pairs().into_owned().collect()
}

fn known(caller: &Result<Caller, Unusable>) -> Result<&Caller, Refused> {
    let refused = |code, words| Err(Refused::new(StatusCode::FORBIDDEN, code, words));
    match caller {
        Ok(Caller::Nobody) => refused("MissingAuthenticationToken", "Request is missing Authentication Token"),
        Ok(caller) => Ok(caller),
        Err(Unusable::Invalid) => {
            refused("InvalidClientTokenId", "The security token included in the request is invalid.")
        }
        Err(Unusable::Expired) => refused("ExpiredToken", "The security token included in the request is expired"),
    }
}

fn identity(caller: &Caller) -> String {
    let (arn, id, account) = (caller.arn(), caller.id(), caller.account());
    format!("    <Arn>{arn}</Arn>\n    <UserId>{id}</UserId>\n    <Account>{account}</Account>\n")
}

fn assume_role(form: &Form, caller: &Caller, now: DateTime<Utc>) -> Result<String, Refused> {
    let member = |name: &str| form.get(name).map_or("", String::as_str);
    let arn = member("RoleArn");
    let (account, name) = role_of(arn).ok_or_else(|| Refused::invalid("Request ARN is invalid"))?;
    let session = member("RoleSessionName");
    if !is_name(session) || session.len() < 2 {
        return Err(Refused::invalid(
            "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [\\w+=,.@-]*",
        ));
    }
    let seconds = form.get("DurationSeconds").map_or(Ok(3_600), |seconds| seconds.parse());
    let seconds = seconds.ok().filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(|| {
        Refused::invalid(
            "1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint: Member must have value \
             between 900 and 43200",
        )
    })?;
    if name == DENIED || name.ends_with("-external") && member("ExternalId") != EXTERNAL_ID {
        let words = format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn());
        return Err(Refused::new(StatusCode::FORBIDDEN, "AccessDenied", words));
    }
    let role = Role { account, name: name.to_owned(), session: session.to_owned() };
    Ok(credentials(&role, now + TimeDelta::seconds(seconds)))
}

fn credentials(role: &Role, expires: DateTime<Utc>) -> String {
    format!(
        "    <AssumedRoleUser>\n      <AssumedRoleId>{}</AssumedRoleId>\n      <Arn>{}</Arn>\n    </AssumedRoleUser>\n    \
         <Credentials>\n      <AccessKeyId>{}</AccessKeyId>\n      <SecretAccessKey>{}</SecretAccessKey>\n      \
         <SessionToken>{}</SessionToken>\n      <Expiration>{}</Expiration>\n    </Credentials>\n",
        role.id(),
        role.arn(),
        role.access_key_id(),
        role.secret_access_key(),
        role.session_token(expires),
        expires.format("%Y-%m-%dT%H:%M:%SZ"),
    )
}

/// The account and the name of a role, whose path is ignored.
fn role_of(arn: &str) -> Option<(Payer, &str)> {
    let (account, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    let name = path.rsplit('/').next()?;
    let is_known = !name.is_empty() && path.split('/').all(is_name);
    is_known.then_some((Payer::of_account(account)?, name))
}

fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    text.len() <= 64 && text.bytes().all(known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::answer;
    use crate::sandbox::credentials::{Caller, Role, Unusable};
    use crate::sandbox::organisations::Payer;
    use crate::sandbox::reader::{NOW, at};

    const ASSUME: &str = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=costlake&RoleArn=arn%3Aaws%3Aiam%3A%3A";

    fn ask(form: &str, caller: Result<Caller, Unusable>) -> (u16, String) {
        let (status, body) = answer(form.as_bytes(), &caller, at(NOW), "r");
        (status.as_u16(), body)
    }

    fn assume(role: &str) -> (u16, String) {
        ask(&format!("{ASSUME}{role}"), Ok(Caller::User))
    }

    #[track_caller]
    fn refused(answer: (u16, String), status: u16, code: &str) {
        assert!(answer.0 == status && answer.1.contains(&format!("<Code>{code}</Code>")), "{answer:?}");
    }

    #[test]
    fn the_company_is_told_as_ever() {
        let (status, body) = ask("Action=GetCallerIdentity&Version=2011-06-15", Ok(Caller::User));
        let whole = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
            <GetCallerIdentityResult>\n    <Arn>arn:aws:iam::000123456789:user/sandbox</Arn>\n    \
            <UserId>AIDASANDBOXSANDBOX42</UserId>\n    <Account>000123456789</Account>\n  </GetCallerIdentityResult>\n  \
            <ResponseMetadata>\n    <RequestId>r</RequestId>\n  </ResponseMetadata>\n</GetCallerIdentityResponse>\n";
        assert_eq!((status, &*body), (200, whole));
    }

    #[test]
    fn who_is_not_known_is_refused() {
        for action in ["Action=GetCallerIdentity".to_owned(), format!("{ASSUME}222233334444%3Arole%2Fcosts")] {
            refused(ask(&action, Ok(Caller::Nobody)), 403, "MissingAuthenticationToken");
            refused(ask(&action, Err(Unusable::Invalid)), 403, "InvalidClientTokenId");
            refused(ask(&action, Err(Unusable::Expired)), 403, "ExpiredToken");
        }
        refused(ask("Action=GetSessionToken&Version=2011-06-15", Ok(Caller::User)), 400, "InvalidAction");
    }

    #[test]
    fn a_role_of_any_account_is_given_credentials_for_an_hour() {
        let (status, body) = assume("000033334444%3Arole%2Fteam%2Fcosts");
        let account = Payer::of_account("000033334444").unwrap();
        let role = Role { account, name: "costs".to_owned(), session: "costlake".to_owned() };
        for part in [
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">".to_owned(),
            "<Arn>arn:aws:sts::000033334444:assumed-role/costs/costlake</Arn>".to_owned(),
            "<AccessKeyId>ASIA000033334444LAKE</AccessKeyId>".to_owned(),
            format!("<SessionToken>{}</SessionToken>", role.session_token(at("2026-11-21T05:00:00Z"))),
            "<Expiration>2026-11-21T05:00:00Z</Expiration>".to_owned(),
        ] {
            assert!(status == 200 && body.contains(&part), "{part} in {body}");
        }
        let (_, identity) = ask("Action=GetCallerIdentity", Ok(Caller::Role(role)));
        assert!(identity.contains("<Account>000033334444</Account>"), "{identity}");
        assert!(identity.contains("<Arn>arn:aws:sts::000033334444:assumed-role/costs/costlake</Arn>"), "{identity}");
        let (_, shorter) = assume("000033334444%3Arole%2Fcosts&DurationSeconds=900");
        assert!(shorter.contains("<Expiration>2026-11-21T04:15:00Z</Expiration>"), "{shorter}");
    }

    #[test]
    fn two_names_of_roles_are_denied() {
        let denied = assume("222233334444%3Arole%2Fcostlake-denied");
        assert!(denied.1.contains(
            "User: arn:aws:iam::000123456789:user/sandbox is not authorized to perform: sts:AssumeRole on resource: \
             arn:aws:iam::222233334444:role/costlake-denied"
        ));
        refused(denied, 403, "AccessDenied");
        refused(assume("222233334444%3Arole%2Fcosts-external"), 403, "AccessDenied");
        refused(assume("222233334444%3Arole%2Fcosts-external&ExternalId=other"), 403, "AccessDenied");
        assert_eq!(assume("222233334444%3Arole%2Fcosts-external&ExternalId=sandbox-external-id").0, 200);
    }

    #[test]
    fn what_no_role_is_named_by_is_refused() {
        for role in
            ["22223333444%3Arole%2Fcosts", "222233334444%3Auser%2Fcosts", "222233334444%3Arole%2F", "1%3Arole%2F%3C"]
        {
            refused(assume(role), 400, "ValidationError");
        }
        refused(assume("222233334444%3Arole%2Fcosts&DurationSeconds=899"), 400, "ValidationError");
        refused(assume("222233334444%3Arole%2Fcosts&RoleSessionName="), 400, "ValidationError");
    }
}
