//! Posts notifications to an address (`[notify] webhook`), through `curl`.
//!
//! Not an HTTP library: `curl` knows the user's proxies and certificates, and most machines have it.

use serde_json::{Value, json};

use crate::base::hmac::hmac_sha256;
use crate::base::process::Program;
use crate::config::reaction::WebhookFormat;
use crate::config::settings::NotifySettings;

/// The header with the code of the body, as GitHub and others name it.
const SIGNATURE: &str = "X-Hub-Signature-256";

/// The name of the webhook in a warning.
pub(super) const NAME: &str = "the webhook of [notify]";

/// The seconds of one try.
const SECONDS: u32 = 4;

/// The seconds after which no other try begins.
const ALL_SECONDS: u32 = 5;

/// The exit codes of a `curl` whose connection was cut. It counts them as final, unless it is a new one
/// that is told otherwise.
const CUT: [i32; 4] = [18, 52, 55, 56];

/// Returns `true` if `curl` ended because its connection was cut.
pub(super) fn was_cut(code: Option<i32>) -> bool {
    code.is_some_and(|code| CUT.contains(&code))
}

/// Returns the message of the last try; `curl` has one for each.
pub(super) fn last_message(said: &str) -> String {
    let mut messages = said.lines().map(str::trim).filter(|line| !line.is_empty());
    messages.next_back().unwrap_or_default().to_owned()
}

/// An address that gets notifications.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    url: String,
    secret: Option<String>,
    format: WebhookFormat,
}

impl Webhook {
    /// Reads the settings; `None` without an address.
    ///
    /// # Errors
    /// When an environment variable that they name is not set.
    pub(super) fn of(settings: &NotifySettings) -> Result<Option<Webhook>, String> {
        let Some(url) = &settings.webhook else {
            return Ok(None);
        };
        let variable = |name: &str, key: &str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value.ok_or_else(|| format!("[notify] {key} names {name}, which is not set"))
        };
        let url = match url.strip_prefix('$') {
            Some(name) => variable(name, "webhook")?,
            None => url.clone(),
        };
        let name = settings.webhook_secret.as_deref();
        let secret = name.map(|name| {
            // Journals of earlier versions may have the name alone.
            let name = name.strip_prefix('$').unwrap_or(name);
            variable(name, "webhook_secret")
        });
        Ok(Some(Webhook {
            url,
            secret: secret.transpose()?,
            format: settings.webhook_format,
        }))
    }

    /// Builds the program that posts an object. Address and secret are on its standard input, so that no
    /// list of processes shows them.
    pub(super) fn program(&self, object: &Value) -> Program {
        let body = self.body(object);
        let mut lines = vec![
            option("url", &self.url),
            option("header", "Content-Type: application/json"),
            option("header", "User-Agent: dispatch"),
            option("data-binary", &body),
            option("proto", "=http,https"),
            option("output", "/dev/null"),
            format!("max-time = {SECONDS}"),
            format!("retry-max-time = {ALL_SECONDS}"),
            "retry = 3".to_owned(),
            "retry-connrefused".to_owned(),
            // An answer that leads elsewhere is an error: a post is not repeated at another address.
            "location".to_owned(),
            "max-redirs = 0".to_owned(),
            "globoff".to_owned(),
            "silent".to_owned(),
            "show-error".to_owned(),
            "fail".to_owned(),
        ];
        if let Some(secret) = &self.secret {
            let code = hmac_sha256(secret.as_bytes(), [body.as_bytes()]);
            lines.push(option("header", &format!("{SIGNATURE}: sha256={code}")));
        }
        // The user's own ~/.curlrc could print the answer or follow it elsewhere.
        let program = Program::new("curl").args(["--disable", "--config", "-"]);
        program.stdin(lines.join("\n") + "\n")
    }

    fn body(&self, object: &Value) -> String {
        match self.format {
            WebhookFormat::Json => object.to_string(),
            WebhookFormat::Slack => {
                let part = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
                let text = escaped(&part("message"));
                let command = escaped(&part("command")).replace('`', "'");
                json!({"text": format!("{text}\n`{command}`")}).to_string()
            }
        }
    }
}

/// Escapes the characters that Slack reads as links and mentions.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// Renders an option of a configuration file of `curl`.
fn option(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    let value = value.replace('\n', "\\n").replace('\r', "\\r");
    format!("{name} = \"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_gets_a_text_without_mentions() {
        let webhook = Webhook {
            url: "https://hooks.example/x".to_owned(),
            secret: None,
            format: WebhookFormat::Slack,
        };
        let object = json!({"message": "<!channel> a & b", "command": "dispatch show `x`"});
        assert_eq!(
            webhook.body(&object),
            r#"{"text":"&lt;!channel&gt; a &amp; b\n`dispatch show 'x'`"}"#
        );
    }

    #[test]
    fn the_last_try_tells_what_was_wrong() {
        let said =
            "curl: (7) Failed to connect\ncurl: (22) The requested URL returned error: 503\n";
        assert_eq!(
            last_message(said),
            "curl: (22) The requested URL returned error: 503"
        );
        assert!(was_cut(Some(52)) && !was_cut(Some(22)) && !was_cut(None));
    }

    #[test]
    fn a_value_cannot_end_its_option() {
        let value = "a\"\noutput = \"/etc/passwd\\";
        assert_eq!(
            option("url", value),
            r#"url = "a\"\noutput = \"/etc/passwd\\""#
        );
    }
}
