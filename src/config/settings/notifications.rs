//! Who is told: the sinks. What is wrong with one is shown with its place, and without the line: a secret may stand in it.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::notify::{Email, Secret, SigningKey, Sink, Target, Webhook};

use super::super::error::ConfigError;
use super::super::yaml_position::locate;
use super::file::RawNotifications;

/// More sinks than this are a mistake: each has a task of its own.
const SINKS_MAX: usize = 64;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A sink as it is typed: one of the kinds, and a name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSink {
    /// What it is called; needed to tell several of a kind apart.
    name: Option<String>,
    /// Events are posted to a URL.
    webhook: Option<RawWebhook>,
    /// Events are sent as e-mail.
    email: Option<RawEmail>,
    /// Events stand in the log of the process.
    log: Option<RawLog>,
}

/// A webhook: CloudEvents 1.0 as JSON, signed after Standard Webhooks.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    /// Where to, http or https.
    url: String,
    /// The signing key; better `secret_file`, or `${VAR}`.
    secret: Option<String>,
    /// A file that holds the signing key.
    secret_file: Option<PathBuf>,
}

/// E-mail over SMTP.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawEmail {
    /// The server, as smtp://host:port or smtps://host:port.
    smtp: String,
    /// The sender.
    from: String,
    /// The recipients.
    to: Vec<String>,
    /// Who logs in at the server.
    user: Option<String>,
    /// The password; better `password_file`, or `${VAR}`.
    password: Option<String>,
    /// A file that holds the password.
    password_file: Option<PathBuf>,
}

/// The log of the process. It has no keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawLog {}

// Neither is shown: secrets stand in them.
impl std::fmt::Debug for RawWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawWebhook")
    }
}

impl std::fmt::Debug for RawEmail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawEmail")
    }
}

/// The file that is read, for its errors.
pub(super) struct In<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) folder: &'a Path,
}

/// What is wrong: the key below the sink, and what to do.
type Problem = (&'static [&'static str], String);

/// The sinks; without any word of them the log of the process is told.
pub(super) fn resolve(
    raw: Option<RawNotifications>,
    file: &In<'_>,
) -> Result<Vec<Sink>, ConfigError> {
    let Some(raw) = raw.and_then(|it| it.sinks) else {
        return Ok(vec![Sink {
            name: "log".into(),
            target: Target::Log,
        }]);
    };
    if raw.len() > SINKS_MAX {
        return Err(file.wrong(
            &["notifications", "sinks"],
            &format!("more than {SINKS_MAX}; write fewer"),
        ));
    }
    let mut sinks: Vec<Sink> = Vec::new();
    for (index, sink) in raw.into_iter().enumerate() {
        let at = index.to_string();
        let wrong = |(keys, problem): Problem| {
            let mut path = vec!["notifications", "sinks", &at];
            path.extend(keys);
            file.wrong(&path, &problem)
        };
        let sink = sink.sink(file.folder).map_err(wrong)?;
        if sinks.iter().any(|other| other.name == sink.name) {
            let problem = format!(
                "there are two sinks {}; give each a name of its own with `name`",
                sink.name
            );
            return Err(wrong((&[], problem)));
        }
        sinks.push(sink);
    }
    Ok(sinks)
}

impl In<'_> {
    fn wrong(&self, path: &[&str], problem: &str) -> ConfigError {
        let position = locate(self.text, path);
        let key = path.join(".");
        // No line of the text is shown.
        ConfigError::in_text(self.name, "", [(position, format!("{key}: {problem}"))])
    }
}

impl RawSink {
    fn sink(self, folder: &Path) -> Result<Sink, Problem> {
        let target = match (self.webhook, self.email, self.log) {
            (Some(webhook), None, None) => Target::Webhook(webhook.webhook(folder)?),
            (None, Some(email), None) => Target::Email(email.email(folder)?),
            (None, None, Some(RawLog {})) => Target::Log,
            _ => {
                return Err((
                    &[],
                    "write exactly one of webhook, email and log".to_owned(),
                ));
            }
        };
        let name = match (self.name, &target) {
            (Some(name), _) => name,
            (None, Target::Webhook(webhook)) => format!("webhook:{}", webhook.host()),
            (None, Target::Email(email)) => format!("email:{}", email.host()),
            (None, Target::Log) => "log".to_owned(),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        let has_length = (1..=NAME_BYTES_MAX).contains(&name.len());
        // A name that comes from a host is as long as that.
        if !name.chars().all(|c| is_plain(c) || "[]".contains(c)) || !has_length {
            let problem = format!(
                "no name of a sink; write 1 to {NAME_BYTES_MAX} letters, digits, or any of . - _ :"
            );
            return Err((&["name"], problem));
        }
        Ok(Sink {
            name: name.into(),
            target,
        })
    }
}

impl RawWebhook {
    fn webhook(self, folder: &Path) -> Result<Webhook, Problem> {
        let (key, secret): (&'static [&'static str], _) = match (self.secret, self.secret_file) {
            (Some(secret), None) => (&["webhook", "secret"], secret),
            (None, Some(path)) => {
                let keys: &'static [&'static str] = &["webhook", "secret_file"];
                (
                    keys,
                    read(folder, &path).map_err(|problem| (keys, problem))?,
                )
            }
            _ => {
                let problem = "write secret_file, or secret (which may be ${VAR}): deliveries are signed with it";
                return Err((&["webhook"], problem.to_owned()));
            }
        };
        let secret = SigningKey::parse(&secret).map_err(|error| (key, error.to_string()))?;
        Webhook::new(&self.url, secret)
            .map_err(|error| (&["webhook", "url"][..], error.to_string()))
    }
}

impl RawEmail {
    fn email(self, folder: &Path) -> Result<Email, Problem> {
        use crate::notify::EmailError;
        let password = match (self.password, self.password_file) {
            (password, None) => password,
            (None, Some(path)) => {
                let keys: &'static [&'static str] = &["email", "password_file"];
                Some(read(folder, &path).map_err(|problem| (keys, problem))?)
            }
            (Some(_), Some(_)) => {
                let problem = "password stands here too; keep one of them".to_owned();
                return Err((&["email", "password_file"], problem));
            }
        };
        let credentials = match (self.user, password) {
            (Some(user), Some(password)) => Some((user, Secret::new(password.trim()))),
            (None, None) => None,
            _ => {
                let problem = "write both user and password_file (or password, which may be ${VAR}), or neither";
                return Err((&["email"], problem.to_owned()));
            }
        };
        Email::new(&self.smtp, credentials, &self.from, &self.to).map_err(|error| {
            let key: &'static [&'static str] = match &error {
                EmailError::Server | EmailError::Credentials => &["email", "smtp"],
                EmailError::Address(address) if *address == self.from => &["email", "from"],
                EmailError::Address(_) | EmailError::Nobody => &["email", "to"],
            };
            (key, error.to_string())
        })
    }
}

/// Reads what only this process may know; the path is relative to the settings' file.
fn read(folder: &Path, path: &Path) -> Result<String, String> {
    let path = folder.join(path);
    fs::read_to_string(&path).map_err(|error| {
        format!(
            "{} cannot be read: {error}; check the path and its rights",
            path.display()
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::variables::Variables;
    use super::super::{Overrides, Settings, SettingsFile};
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn sinks(text: &str, folder: &Path) -> Result<Vec<Sink>, ConfigError> {
        let variables: Variables = [("HOOK".to_owned(), SECRET.to_owned())]
            .into_iter()
            .collect();
        let file = SettingsFile::parse(text, &folder.join("quotad.yaml"), &variables)?;
        Settings::resolve(Some(file), Overrides::default()).map(|settings| settings.sinks)
    }

    #[test]
    fn sinks_have_names_and_targets() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hook.key"), format!("{SECRET}\n")).unwrap();
        fs::write(folder.path().join("mail.password"), "word of honour\n").unwrap();
        let text = "\
notifications:
  sinks:
    - webhook: {url: \"https://hooks.example/quota?token=t\", secret_file: hook.key}
    - {name: second, webhook: {url: \"http://hooks.example/\", secret: \"${HOOK}\"}}
    - email:
        smtp: smtp://mail:2525
        from: Quota <quota@example.org>
        to: [ops@example.org, boss@example.org]
        user: mailer
        password_file: mail.password
    - log: {}
";
        let sinks = sinks(text, folder.path()).unwrap();
        let names: Vec<_> = sinks
            .iter()
            .map(|it| (&*it.name, it.target.kind()))
            .collect();
        let expected = [
            ("webhook:hooks.example", "webhook"),
            ("second", "webhook"),
            ("email:mail", "email"),
            ("log", "log"),
        ];
        assert_eq!(names, expected);
        let shown = format!("{sinks:?}");
        for secret in ["token", "MfKQ", "honour"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }

    #[test]
    fn without_a_word_of_them_the_log_is_told_and_an_empty_list_tells_nobody() {
        let folder = Path::new("/etc/quotad");
        assert_eq!(sinks("plan: p.yaml", folder).unwrap().len(), 1);
        assert_eq!(sinks("notifications: {}", folder).unwrap().len(), 1);
        assert_eq!(sinks("notifications: {sinks: []}", folder).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_shown_with_its_place_and_without_the_secret() {
        for (sink, expected) in [
            (
                "{}",
                "2:15: notifications.sinks.0: write exactly one of webhook, email and log",
            ),
            (
                "{log: {}, email: {smtp: \"smtp://m\", from: a@b.c, to: [a@b.c]}}",
                "2:15: notifications.sinks.0: write exactly one of webhook, email and log",
            ),
            (
                "{webhook: {url: \"https://h\"}}",
                "2:16: notifications.sinks.0.webhook: write secret_file, or secret (which may be ${VAR}): deliveries are \
                 signed with it",
            ),
            (
                "{webhook: {url: \"https://h\", secret_file: nowhere}}",
                "2:55: notifications.sinks.0.webhook.secret_file: /etc/quotad/nowhere cannot be read: No such file or \
                 directory (os error 2); check the path and its rights",
            ),
            (
                "{webhook: {url: \"h\", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}",
                "2:31: notifications.sinks.0.webhook.url: it is no address of a webhook; write https://HOST/PATH (or http://)",
            ),
            (
                "{webhook: {url: \"https://h\", secret: MfKQ9r8}}",
                "2:50: notifications.sinks.0.webhook.secret: it is no secret of a webhook; write 24 to 64 bytes in base64, \
                 with or without whsec_ before them",
            ),
            (
                "{webhook: {url: \"https://h\", secrte: MfKQ9r8}}",
                "2:42: the key `secrte` is not known here; did you mean `secret`? Known: url, secret, secret_file",
            ),
            (
                "{email: {smtp: \"smtp://m\", from: a@b.c, to: []}}",
                "2:59: notifications.sinks.0.email.to: nobody would get a letter; write at least one address",
            ),
            (
                "{email: {smtp: \"smtp://u:MfKQ@m\", from: a@b.c, to: [a@b.c]}}",
                "2:30: notifications.sinks.0.email.smtp: it holds a user or a password; write them as user and password_file",
            ),
            (
                "{email: {smtp: \"smtp://m\", from: a@b.c, to: [a@b.c], user: u}}",
                "2:16: notifications.sinks.0.email: write both user and password_file (or password, which may be ${VAR}), \
                 or neither",
            ),
            (
                "{name: \"a b\", log: {}}",
                "2:22: notifications.sinks.0.name: no name of a sink; write 1 to 64 letters, digits, or any of . - _ :",
            ),
            (
                "{log: {}}, {log: {}}",
                "2:26: notifications.sinks.1: there are two sinks log; give each a name of its own with `name`",
            ),
        ] {
            let text = format!("notifications:\n      sinks: [{sink}]\n")
                .replace("      sinks", "  sinks  ");
            let shown = sinks(&text, Path::new("/etc/quotad"))
                .unwrap_err()
                .to_string();
            let first = shown.lines().next().unwrap_or_default();
            let column = |text: &str| text.split(": ").skip(1).collect::<Vec<_>>().join(": ");
            assert_eq!(column(first), column(expected), "{sink}");
            assert!(first.starts_with("/etc/quotad/quotad.yaml:2:"), "{first}");
            assert!(!shown.contains("MfKQ"), "{shown}");
        }
    }
}
