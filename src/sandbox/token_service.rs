//! AWS STS, `GetCallerIdentity` only: all credentials belong to the payer account.

use axum::http::StatusCode;

use super::catalog::ACCOUNTS;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The answer to a posted form; `is_signed` is whether the request had credentials.
pub(super) fn answer(form: &[u8], is_signed: bool, request_id: &str) -> (StatusCode, String) {
    let form = String::from_utf8_lossy(form);
    let action = form.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default();
    if action != "GetCallerIdentity" {
        return (
            StatusCode::BAD_REQUEST,
            refusal("InvalidAction", "The sandbox knows GetCallerIdentity only.", request_id),
        );
    }
    if !is_signed {
        let words = "Request is missing Authentication Token";
        return (StatusCode::FORBIDDEN, refusal("MissingAuthenticationToken", words, request_id));
    }
    let payer = ACCOUNTS[0].id;
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\">\n  <GetCallerIdentityResult>\n    \
         <Arn>arn:aws:iam::{payer}:user/sandbox</Arn>\n    <UserId>AIDASANDBOXSANDBOX42</UserId>\n    \
         <Account>{payer}</Account>\n  </GetCallerIdentityResult>\n  \
         <ResponseMetadata>\n    <RequestId>{request_id}</RequestId>\n  </ResponseMetadata>\n</GetCallerIdentityResponse>\n"
    );
    (StatusCode::OK, body)
}

fn refusal(code: &str, words: &str, request_id: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>\n    <Type>Sender</Type>\n    <Code>{code}</Code>\n    \
         <Message>{words}</Message>\n  </Error>\n  <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn only_the_one_question_with_credentials_is_answered() {
        let ask = |form: &str, is_signed| answer(form.as_bytes(), is_signed, "r");
        let (status, body) = ask("Action=GetCallerIdentity&Version=2011-06-15", true);
        assert!(status == 200 && body.contains("<Account>000123456789</Account>"), "{body}");
        let (status, body) = ask("Action=GetCallerIdentity&Version=2011-06-15", false);
        assert!(status == 403 && body.contains("<Code>MissingAuthenticationToken</Code>"), "{body}");
        let (status, body) = ask("Action=AssumeRole&Version=2011-06-15", true);
        assert!(status == 400 && body.contains("<Code>InvalidAction</Code>"), "{body}");
    }
}
