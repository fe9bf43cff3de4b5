//! E-mail over SMTP: one letter for each event, which a person wants to read.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::Url;

use super::{Pace, Secret};
use crate::notify::event::Event;
use crate::notify::people;

/// Where letters are handed over, from whom, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    host: String,
    port: u16,
    /// TLS from the first byte on (`smtps`).
    is_wrapped: bool,
    credentials: Option<(String, Secret)>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// Why there can be no letters. Says nothing of a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Not a mail server.
    #[error(
        "it is no mail server; write smtp://HOST:PORT, or smtps://HOST:PORT for TLS from the beginning"
    )]
    Server,
    /// A password stands where it is shown.
    #[error("it holds a user or a password; write them as user and password_file")]
    Credentials,
    /// Not an address.
    #[error(
        "{0:?} is no e-mail address; write it as ops@example.org, or as \"Operations <ops@example.org>\""
    )]
    Address(String),
    /// Nobody would get them.
    #[error("nobody would get a letter; write at least one address")]
    Nobody,
}

impl Email {
    /// Letters over a server.
    ///
    /// # Errors
    /// If the address of the server, or one of the others, is none.
    pub fn new(
        server: &str,
        credentials: Option<(String, Secret)>,
        from: &str,
        to: &[String],
    ) -> Result<Self, EmailError> {
        let url = Url::parse(server).map_err(|_| EmailError::Server)?;
        let port_default = match url.scheme() {
            "smtp" => 25,
            "smtps" => 465,
            _ => return Err(EmailError::Server),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EmailError::Credentials);
        }
        let is_bare =
            matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = url
            .host_str()
            .filter(|host| is_bare && !host.is_empty())
            .ok_or(EmailError::Server)?;
        let mailbox = |text: &str| {
            text.parse::<Mailbox>()
                .map_err(|_| EmailError::Address(text.to_owned()))
        };
        let to = to
            .iter()
            .map(|text| mailbox(text))
            .collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(EmailError::Nobody);
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(port_default),
            is_wrapped: url.scheme() == "smtps",
            credentials,
            from: mailbox(from)?,
            to,
        })
    }

    /// The server, for a name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How the connection is protected. A password never travels in the open, except within this machine.
    fn tls(&self) -> Result<Tls, lettre::transport::smtp::Error> {
        let parameters = TlsParameters::new(self.host.clone())?;
        Ok(if self.is_wrapped {
            Tls::Wrapper(parameters)
        } else if self.credentials.is_some() && !self.is_this_machine() {
            Tls::Required(parameters)
        } else {
            Tls::Opportunistic(parameters)
        })
    }

    fn is_this_machine(&self) -> bool {
        let is_loopback = |address: IpAddr| address.is_loopback();
        self.host == "localhost" || self.host.parse().is_ok_and(is_loopback)
    }
}

/// Hands letters over.
pub(super) struct Courier {
    email: Email,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Courier {
    pub(super) fn new(email: Email, pace: &Pace) -> Result<Self, String> {
        let tls = email.tls().map_err(|error| error.to_string())?;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host)
            .port(email.port)
            .tls(tls)
            .timeout(Some(pace.attempt_max));
        if let Some((user, password)) = &email.credentials {
            builder =
                builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
        }
        Ok(Self {
            transport: builder.build(),
            email,
        })
    }

    /// Hands one letter over. An error says what went wrong.
    pub(super) async fn deliver(&self, event: &Event) -> Result<(), String> {
        let letter = self
            .letter(event)
            .map_err(|error| format!("the letter cannot be written: {error}"))?;
        self.transport
            .send(letter)
            .await
            .map(drop)
            .map_err(|error| format!("{}: {error}", self.email.host))
    }

    fn letter(&self, event: &Event) -> Result<Message, lettre::error::Error> {
        let people::Letter { subject, text } = people::letter(event);
        // The same event is the same letter: mail programs show it once.
        let id = format!("<{}@quotad>", event.id);
        let since = u64::try_from(event.at().nanos()).unwrap_or(0);
        let mut builder = Message::builder()
            .from(self.email.from.clone())
            .subject(subject)
            .message_id(Some(id))
            .date(SystemTime::UNIX_EPOCH + Duration::from_nanos(since))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.email.to {
            builder = builder.to(to.clone());
        }
        builder.body(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_passwords_are_not_shown() {
        let to = ["Operations <ops@example.org>".to_owned()];
        let credentials = || Some(("mailer".to_owned(), Secret::new("word of honour")));
        let email = Email::new("smtp://mail", credentials(), "quota@example.org", &to).unwrap();
        assert_eq!(
            (email.host(), email.port, email.is_wrapped),
            ("mail", 25, false)
        );
        assert!(!format!("{email:?}").contains("honour"), "{email:?}");
        assert!(matches!(email.tls().unwrap(), Tls::Required(_)));
        let here = Email::new(
            "smtp://127.0.0.1:2525",
            credentials(),
            "quota@example.org",
            &to,
        )
        .unwrap();
        assert!(matches!(here.tls().unwrap(), Tls::Opportunistic(_)));
        let wrapped = Email::new("smtps://mail", None, "quota@example.org", &to).unwrap();
        assert_eq!(
            (
                wrapped.port,
                matches!(wrapped.tls().unwrap(), Tls::Wrapper(_))
            ),
            (465, true)
        );
        for (server, from, to, expected) in [
            ("mail:25", "q@x.org", &to[..], EmailError::Server),
            ("http://mail", "q@x.org", &to, EmailError::Server),
            ("smtp://mail/path", "q@x.org", &to, EmailError::Server),
            (
                "smtp://me:word@mail",
                "q@x.org",
                &to,
                EmailError::Credentials,
            ),
            (
                "smtp://mail",
                "nobody",
                &to,
                EmailError::Address("nobody".to_owned()),
            ),
            ("smtp://mail", "q@x.org", &[], EmailError::Nobody),
        ] {
            assert_eq!(
                Email::new(server, None, from, to).unwrap_err(),
                expected,
                "{server} {from}"
            );
        }
    }
}
