//! Works for user ana until the sidecar says no. Start one first: `quotad` serves an example plan.

use quotad_client::{Error, OnUnavailable, Quota, Request};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address =
        std::env::var("QUOTAD_ADDRESS").unwrap_or_else(|_| "http://127.0.0.1:7450".to_owned());
    let quota = Quota::new(&address, OnUnavailable::Deny)?;
    loop {
        match work(&quota).await {
            Err(Error::Denied(denied)) => {
                println!("{}: {denied}", denied.reason);
                return Ok(());
            }
            other => other?,
        }
    }
}

async fn work(quota: &Quota) -> Result<(), Error> {
    let mut hold = quota.reserve(Request::credits(300).user("ana")).await?;
    let answer = hold.commit(250).await?; // the work, and what it really took
    let committed = answer.map_or(0, |it| it.committed);
    println!("held {}; committed {committed}", hold.granted());
    Ok(())
}
