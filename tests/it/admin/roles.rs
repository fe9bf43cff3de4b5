//! Roles times calls: the calls are those of the descriptors, so that a new one cannot be forgotten.

use prost::Message;
use prost_types::FileDescriptorSet;
use quotad::rpc::access::{Access, Role};
use quotad::rpc::admin;
use quotad::rpc::codec::SmallCodec;
use quotad::rpc::pb;
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::{Desk, by_tokens, token};

/// The calls of the service, and whether they answer a stream.
fn calls() -> Vec<(String, bool)> {
    let set = FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
    let services = set.file.iter().flat_map(|file| &file.service);
    let mut services = services.filter(|service| service.name() == "AdminService");
    let methods = &services.next().unwrap().method;
    let methods = methods.iter();
    methods
        .map(|method| (method.name().to_owned(), method.server_streaming()))
        .collect()
}

/// The least role of a call, as the contract has it.
fn needed(call: &str) -> Role {
    let reads = ["Get", "List", "Query", "Export", "Watch", "Estimate"];
    match call {
        "RequestExtension" => Role::Maker,
        _ if reads.iter().any(|prefix| call.starts_with(prefix)) => Role::Viewer,
        _ => Role::Admin,
    }
}

/// Sends an empty request; every message reads it.
async fn call(channel: &Channel, name: &str, header: Option<&str>) -> Code {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = format!("/quotad.v1.AdminService/{name}").parse().unwrap();
    let mut request = Request::new(());
    if let Some(header) = header {
        let header = header.parse().unwrap();
        request.metadata_mut().insert("authorization", header);
    }
    let codec = SmallCodec::<(), ()>::default();
    // The head of a stream is there at once, its end may never be.
    match grpc.server_streaming(request, path, codec).await {
        Err(status) => status.code(),
        Ok(answers) if matches!(name, "WatchNotifications") => {
            drop(answers);
            Code::Ok
        }
        Ok(answers) => match answers.into_inner().message().await {
            Ok(_) => Code::Ok,
            Err(status) => status.code(),
        },
    }
}

fn is_let_in(code: Code) -> bool {
    !matches!(code, Code::Unauthenticated | Code::PermissionDenied)
}

#[tokio::test]
async fn each_call_needs_its_role() {
    let calls = calls();
    assert!(calls.len() > 40, "{} calls", calls.len());
    let tokens = Desk::start(by_tokens());
    let readable = Desk::start(Access::anonymous(Role::Viewer));
    let open = Desk::start(Access::anonymous(Role::Admin));
    let bearer = |role| Some(format!("Bearer {}", token(role)));
    let callers = [
        ("none", &tokens, None, None),
        (
            "wrong",
            &tokens,
            Some("Bearer 0123456789abcdef-nobody".to_owned()),
            None,
        ),
        ("viewer", &tokens, bearer(Role::Viewer), Some(Role::Viewer)),
        ("maker", &tokens, bearer(Role::Maker), Some(Role::Maker)),
        ("admin", &tokens, bearer(Role::Admin), Some(Role::Admin)),
        ("loopback", &readable, None, Some(Role::Viewer)),
        ("open", &open, None, Some(Role::Admin)),
    ];
    let mut channels = Vec::new();
    for (_, desk, _, _) in &callers {
        channels.push(desk.channel().await);
    }
    println!(
        "{:<20} {}",
        "call",
        callers
            .each_ref()
            .map(|it| format!("{:<18}", it.0))
            .concat()
    );
    let (mut unauthorized, mut refused, mut cells) = (0, 0, 0);
    for (name, _) in &calls {
        assert_eq!(admin::role(name), Some(needed(name)), "{name}");
        let mut line = format!("{name:<20} ");
        for ((who, _, header, role), channel) in callers.iter().zip(&channels) {
            let code = call(channel, name, header.as_deref()).await;
            line.push_str(&format!("{:<18}", format!("{code:?}")));
            let may = role.is_some_and(|role| role >= needed(name));
            unauthorized += u32::from(is_let_in(code) && !may);
            refused += u32::from(!is_let_in(code) && may);
            cells += 1;
            let missing = code == Code::Unimplemented || code == Code::Internal;
            assert!(!missing, "{who} {name}: {code:?}");
        }
        println!("{line}");
    }
    println!(
        "roles: {cells} cells, unauthorized accepted {unauthorized}, authorized refused {refused}"
    );
    assert_eq!((unauthorized, refused), (0, 0));
}

#[tokio::test]
async fn what_does_not_exist_is_not_told_to_strangers() {
    let desk = Desk::start(by_tokens());
    let channel = desk.channel().await;
    assert_eq!(
        call(&channel, "NoSuchCall", None).await,
        Code::Unauthenticated
    );
    let viewer = format!("Bearer {}", token(Role::Viewer));
    assert_eq!(
        call(&channel, "NoSuchCall", Some(&viewer)).await,
        Code::Unimplemented
    );
    assert_eq!(admin::role("NoSuchCall"), None);
}
