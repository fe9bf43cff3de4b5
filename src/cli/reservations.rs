//! `quotad reservations`.

use serde_json::{Map, Value, json};

use crate::rpc::pb;

use super::client;
use super::management::{self, Management, Tenant, Why, pages};
use super::output::{Answer, Rows};
use super::request::{IdText, hex};
use super::{Exit, Output};

/// Lists open reservations, and gives one up for whoever made it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad reservations list
  quotad reservations release 0123456789abcdef0123456789abcdef --why 'the job is gone'

Exit codes: 0 done, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists open reservations.
    List,
    /// Gives a reservation up; its credits come back.
    Release {
        /// The reservation.
        id: IdText,
        #[command(flatten)]
        why: Why,
    },
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        action,
        tenant,
        place,
    } = args;
    management::run(&place, output, async |mut admin| match action {
        Action::List => {
            let reservations = pages(usize::MAX, async |page_size, page_token| {
                let request = pb::ListReservationsRequest {
                    organization: tenant.organization.clone(),
                    page_size,
                    page_token,
                };
                let answer = admin.list_reservations(request).await?.into_inner();
                Ok((answer.reservations, answer.next_page_token))
            });
            Ok(Answer::Rows(Rows {
                name: "reservations",
                columns: vec!["reservation", "environment", "user", "held", "expires"],
                more: &["organization", "product", "model", "updated"],
                rows: reservations.await?.iter().map(fields).collect(),
                ..Rows::default()
            }))
        }
        Action::Release { id, why } => {
            let request = pb::ReleaseReservationRequest {
                reservation_id: id.bytes(),
                why: why.why,
            };
            let answer = admin.release_reservation(request).await?.into_inner();
            Ok(Answer::Fields(client::fields([(
                "returned",
                json!(answer.returned),
            )])))
        }
    })
}

fn fields(it: &pb::OpenReservation) -> Map<String, Value> {
    let subject = it.subject.clone().unwrap_or_default();
    client::fields([
        ("reservation", json!(hex(&it.id))),
        ("environment", json!(subject.environment)),
        ("user", json!(subject.user)),
        ("held", json!(it.held)),
        ("expires", client::instant(it.expire_time)),
        ("organization", json!(subject.organization)),
        ("product", json!(subject.product)),
        ("model", json!(subject.model)),
        ("updated", client::instant(it.update_time)),
    ])
}
