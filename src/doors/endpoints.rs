//! What the environment and the AWS profile say about the way to AWS.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// A setting of the environment, else of the profile; `service` names the service it is for, if any.
pub(super) fn setting(config: &SdkConfig, service: &str, variable: &str, key: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env(variable).profile(key).build().ok()?;
    config.service_config()?.load_config(key)
}
