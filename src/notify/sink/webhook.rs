//! A webhook: CloudEvents in structured JSON, signed as Standard Webhooks says.

use std::error::Error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use sha2::Sha256;

use super::Pace;
use crate::domain::time::Timestamp;
use crate::notify::cloud;
use crate::notify::event::Event;

/// What the specification allows for a key, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Where events are posted.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    url: Url,
    key: SigningKey,
}

/// What posts are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

/// Why a webhook cannot be. Says nothing of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Not an address that can be posted to.
    #[error("it is no address of a webhook; write https://HOST/PATH (or http://)")]
    Url,
    /// The secret is no key.
    #[error(
        "it is no secret of a webhook; write 24 to 64 bytes in base64, with or without whsec_ before them"
    )]
    Key,
}

impl SigningKey {
    /// Reads a secret: base64, with or without `whsec_` before it.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, WebhookError> {
        let text = text.trim();
        let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text));
        let key = key.ok().filter(|key| KEY_BYTES.contains(&key.len()));
        key.map(Self).ok_or(WebhookError::Key)
    }

    /// The signature of a body, as it stands in `webhook-signature`.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let signed = format!("{id}.{seconds}.{body}");
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(signed.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl Webhook {
    /// A webhook at an address.
    ///
    /// # Errors
    /// If the address is none.
    pub fn new(url: &str, key: SigningKey) -> Result<Self, WebhookError> {
        let url = Url::parse(url).ok().filter(|url| url.has_host());
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        Ok(Self {
            url: url.ok_or(WebhookError::Url)?,
            key,
        })
    }

    /// The host, for a name: the rest of the address may be secret.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Webhook({}://{}, secret)",
            self.url.scheme(),
            self.host()
        )
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Posts.
pub(super) struct Courier {
    webhook: Webhook,
    client: Client,
}

impl Courier {
    pub(super) fn new(webhook: Webhook, pace: &Pace) -> Result<Self, String> {
        let builder = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(pace.attempt_max)
            .timeout(pace.attempt_max)
            .user_agent(concat!("quotad/", env!("CARGO_PKG_VERSION")));
        // Without TLS nobody's certificates are looked at; then it is no matter that a container has none.
        let builder = match webhook.url.scheme() {
            "http" => builder.tls_certs_only([]),
            _ => builder,
        };
        let client = builder
            .build()
            .map_err(|error| told(&error.without_url()))?;
        Ok(Self { webhook, client })
    }

    /// Posts once. An error says what went wrong, and nothing of the address beyond its host.
    pub(super) async fn deliver(&self, event: &Event, now: Timestamp) -> Result<(), String> {
        let (id, body) = (event.id.to_string(), cloud::event(event).to_string());
        let seconds = now.to_utc().timestamp();
        let signature = self.webhook.key.sign(&id, seconds, &body);
        let posted = self
            .client
            .post(self.webhook.url.clone())
            .header("content-type", "application/cloudevents+json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await
            .map_err(|error| told(&error.without_url()))?;
        let status = posted.status();
        if status.is_success() {
            return Ok(());
        }
        Err(format!("{} answered {status}", self.webhook.host()))
    }
}

/// An error with what caused it.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The vector of the specification of Standard Webhooks.
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn neither_errors_nor_debug_show_the_secret() {
        let secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let url = "https://user:word@hooks.example/services/token?key=value";
        let webhook = Webhook::new(url, SigningKey::parse(secret).unwrap()).unwrap();
        assert_eq!(
            format!("{webhook:?}"),
            "Webhook(https://hooks.example, secret)"
        );
        assert_eq!(webhook.host(), "hooks.example");
        for wrong in [
            "",
            "whsec_",
            "short",
            &secret[..8],
            "not base64 at all, but long enough",
        ] {
            let error = SigningKey::parse(wrong).unwrap_err();
            assert!(wrong.is_empty() || !error.to_string().contains(wrong) || wrong == "whsec_");
        }
        for wrong in [
            "",
            "hooks.example",
            "ftp://hooks.example",
            "mailto:a@b.c",
            "http://",
        ] {
            let key = SigningKey::parse(secret).unwrap();
            assert_eq!(
                Webhook::new(wrong, key).unwrap_err(),
                WebhookError::Url,
                "{wrong}"
            );
        }
    }
}
