//! Talks to the management listener of a running sidecar, as an administrator.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::config::plan_file::PLAN_BYTES_MAX;
use crate::rpc::pb::admin_service_client::AdminServiceClient;

use super::client::{self, ClientError};
use super::output::Answer;
use super::{Exit, Output};

/// Where administrators are answered, unless told otherwise.
pub(super) const ADDRESS_DEFAULT: &str = "http://127.0.0.1:7451";

/// Where the token stands that no file gives. It is no flag: flags stand in the list of processes.
const TOKEN_VARIABLE: &str = "QUOTAD_TOKEN";

/// A change of a large plan, and its way to the disk, takes longer than a charge.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The largest answer: a whole plan, and what surrounds it.
const ANSWER_BYTES_MAX: usize = PLAN_BYTES_MAX + 1024 * 1024;

/// A page holds so much of a list.
pub(super) const PAGE_SIZE: i32 = 1_000;

/// Calls administrators' methods.
pub(super) type Admin = AdminServiceClient<InterceptedService<Channel, Credential>>;

/// Where administrators are answered, and who asks.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Management {
    /// The sidecar's management listener: `http://HOST:PORT`.
    #[arg(
        long,
        global = true,
        env = "QUOTAD_MANAGEMENT",
        value_name = "URL",
        default_value = ADDRESS_DEFAULT
    )]
    pub(super) management: String,
    #[command(flatten)]
    pub(super) credential: CredentialArgs,
}

/// Who asks.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CredentialArgs {
    /// A file that holds the token, and nothing else; without it the variable QUOTAD_TOKEN holds it.
    #[arg(long, global = true, env = "QUOTAD_TOKEN_FILE", value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
}

/// Whose.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Tenant {
    /// The organization; `default` unless given.
    #[arg(
        long,
        global = true,
        env = "QUOTAD_ORGANIZATION",
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) organization: String,
}

/// Why a change is made.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Why {
    /// Why, for the audit log.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) why: String,
}

/// What a change is based on, and why it is made.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Change {
    /// Change it only if its etag is still this one.
    #[arg(
        long,
        value_name = "ETAG",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) etag: String,
    #[command(flatten)]
    pub(super) why: Why,
}

/// Puts the token into each request. Never shows it.
#[derive(Clone)]
pub(super) struct Credential(Option<MetadataValue<Ascii>>);

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Credential {
    /// The token of the file, else of the environment; none is allowed: then the sidecar judges.
    fn read(file: Option<&Path>) -> Result<Self, ClientError> {
        let (text, place) = match file {
            Some(path) => {
                let place = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|error| {
                    ClientError::Usage(format!(
                        "{place}: the token cannot be read: {error}; check --token-file and the file's rights"
                    ))
                })?;
                (text, place)
            }
            None => {
                let text = std::env::var(TOKEN_VARIABLE).unwrap_or_default();
                if text.trim().is_empty() {
                    return Ok(Self(None));
                }
                (text, TOKEN_VARIABLE.to_owned())
            }
        };
        let token = text.trim();
        let mut value = MetadataValue::<Ascii>::try_from(format!("Bearer {token}"))
            .ok()
            .filter(|_| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| {
                ClientError::Usage(format!(
                    "{place} holds no token: one word of printable ASCII must stand there, and nothing else"
                ))
            })?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

/// Opens a way to `address`.
pub(super) async fn connect(
    address: &str,
    credential: &CredentialArgs,
) -> Result<Admin, ClientError> {
    let credential = Credential::read(credential.token_file.as_deref())?;
    let channel = client::channel_for(address, "--management", CALL_TIMEOUT).await?;
    let admin = AdminServiceClient::with_interceptor(channel, credential);
    Ok(admin.max_decoding_message_size(ANSWER_BYTES_MAX))
}

/// Runs calls on a runtime of its own, and prints the answer.
pub(super) fn run(
    place: &Management,
    output: Output,
    calls: impl AsyncFnOnce(Admin) -> Result<Answer, ClientError>,
) -> Exit {
    let answer = client::block_on(async {
        let admin = connect(&place.management, &place.credential).await?;
        calls(admin).await
    });
    match answer {
        Ok(answer) => {
            answer.print(output);
            Exit::Ok
        }
        Err(error) => client::failed(&error, output),
    }
}

/// All pages of a list; at most `most` entries. `page` is given a size and a token, and answers entries and the next token.
pub(super) async fn pages<T>(
    most: usize,
    mut page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), ClientError>,
) -> Result<Vec<T>, ClientError> {
    let mut all = Vec::new();
    let mut token = String::new();
    while all.len() < most {
        let size = i32::try_from(most - all.len()).map_or(PAGE_SIZE, |left| left.min(PAGE_SIZE));
        let (mut some, next) = page(size, token.clone()).await?;
        all.append(&mut some);
        if next.is_empty() {
            break;
        }
        if next == token {
            return Err(ClientError::Incomplete("the next page"));
        }
        token = next;
    }
    all.truncate(most);
    Ok(all)
}
