//! Reflection on the management listener, which is built when it is first asked for.

use quotad::rpc::access::{Access, Role};
use tokio_stream::iter;

use super::Desk;

/// The services that a version of the protocol names.
macro_rules! listed {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new($channel);
        let answers = client.server_reflection_info(iter([request])).await;
        let answer = answers.unwrap().into_inner().message().await;
        match answer.unwrap().unwrap().message_response {
            Some(MessageResponse::ListServicesResponse(list)) => list
                .service
                .into_iter()
                .map(|it| it.name)
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    }};
}

#[tokio::test]
async fn tools_of_either_version_are_told_the_services() {
    let desk = Desk::start(Access::anonymous(Role::Viewer));
    let older = listed!(v1alpha, desk.channel().await);
    let newer = listed!(v1, desk.channel().await);
    for (names, reflection) in [
        (older, "grpc.reflection.v1alpha.ServerReflection"),
        (newer, "grpc.reflection.v1.ServerReflection"),
    ] {
        for service in [
            "quotad.v1.AdminService",
            "grpc.health.v1.Health",
            reflection,
        ] {
            assert!(
                names.iter().any(|name| name == service),
                "{service}: {names:?}"
            );
        }
    }
}
